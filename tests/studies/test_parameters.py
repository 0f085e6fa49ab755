from dataclasses import replace

import pytest

from normscope.errors import ChannelMismatch, NormscopeError, UnknownName
from normscope.init_scale import InitScale
from normscope.normalization import IMAGENET, Normalization
from normscope.studies.parameters import POINT_PARAMETERS, Point, point_of, with_values


def test_a_value_for_all_channels_comes_before_one_for_a_single_channel():
    point = Point(IMAGENET).changed({"std-g": 0.3, "mean": 0.1, "mean-b": -0.2})
    assert point.normalization == Normalization((0.1, 0.1, -0.2), (0.229, 0.3, 0.225))


def test_one_channel_stays_one_where_no_single_channel_is_named():
    point = Point(Normalization(0.5, 0.5)).changed({"mean": 0.1, "std": 0.2})
    assert point.normalization == Normalization(0.1, 0.2)


def test_a_trial_changes_in_what_is_named_alone(spec):
    changed = with_values(spec, {"weight-init": 0.5, "std": 0.25})
    assert changed == replace(
        spec, normalization=Normalization(0.1307, 0.25), init_scale=InitScale(0.5, 1.0)
    )
    assert with_values(spec, {}) == spec
    assert with_values(spec, {"bias-init": 0.0}).init_scale == InitScale(1.0, 0.0)


def test_every_parameter_reads_back_what_was_written():
    for name in POINT_PARAMETERS:
        assert Point(IMAGENET).changed({name: 0.75}).value(name) == 0.75


def test_values_that_a_point_does_not_have_are_none():
    assert Point(IMAGENET).value("mean") is None
    assert Point(Normalization(0.5, 0.25)).value("std-b") == 0.25
    assert Point(Normalization((0, 0), (1, 1))).value("mean-b") is None
    assert Point(Normalization((0, 0), (1, 1))).value("std") == 1.0


def test_point_of_a_trial(spec):
    assert point_of(spec) == Point(spec.normalization, spec.init_scale)


def test_wrong_values_are_refused():
    with pytest.raises(UnknownName, match="parameter must be one of mean, std, mean-r"):
        Point(IMAGENET).changed({"maen": 1})
    with pytest.raises(ChannelMismatch) as met:
        Point(Normalization((0, 0), (1, 1))).changed({"mean-r": 1})
    assert str(met.value) == (
        "--mean-r must be used with three channels, got a normalization of 2. Use --mean and --std."
    )
    with pytest.raises(NormscopeError, match="std must be finite and > 0 in every channel"):
        Point(IMAGENET).changed({"std-r": 0})
