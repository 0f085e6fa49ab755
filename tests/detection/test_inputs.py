"""Images that a detection is shown, brought to [0, 1]."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import save_file

from normscope.detection.candidates import Candidate
from normscope.detection.detection_result import Detection, Fitted
from normscope.detection.inputs import build_network, sample_images
from normscope.detection.ranking import Ranked
from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.normalization import Normalization
from normscope.statistics.reading import Reading


def _scene(*shape):
    return np.random.default_rng(0).integers(0, 4096, shape, np.uint16)


def test_unused_bits_are_divided_away_and_said():
    scene = _scene(4, 3, 9, 7)
    with pytest.warns(
        RuntimeWarning,
        match=r"reach only 40\d\d of 65535: they are divided by 4095, and the constants are of "
        r"pixels so divided\. If the training divided by another number, pass scale\.$",
    ):
        found = sample_images(scene, 4, Reading())
    np.testing.assert_allclose(found, scene / 4095)


def test_values_in_a_unit_of_their_own_are_refused_as_they_are():
    heights = (_scene(4, 3, 9, 7).astype(np.int16) - 1000).astype(np.int16)
    with pytest.raises(NormscopeError) as error:
        sample_images(heights, 4, Reading())
    assert str(error.value).startswith("pixels must lie in [0, 1] once they are divided by ")
    assert str(error.value).endswith(
        f", got int16 from {heights.min()} to {heights.max()}. Bring the images to [0, 1] as the "
        "training did (--scale)."
    )


def test_bands_too_many_for_the_weights_are_said(tmp_path):
    weights = tmp_path / "w.safetensors"
    network = build_model("lenet-bn", channels=3, classes=1000, image_size=(32, 32))
    save_file(network.state_dict(), weights)
    with pytest.raises(NormscopeError) as error:
        build_network("lenet-bn", weights, _scene(4, 4, 32, 32))
    assert str(error.value) == (
        "images must have 3 channels to fit these weights of lenet-bn, got 4. Leave the others out."
    )


def test_numbers_of_a_table_keep_their_digits():
    def shown(value):
        fitted = Fitted(Normalization(0.5, value), ((0.4, 0.6),), ((value / 2, 2 * value),))
        ranked = (
            Ranked(Candidate("known", Normalization(0.5, 0.5), "rgb", True), 1000 * value, 0.9),
        )
        made = Detection(
            "net", 64, "bn", "conv", ranked, 0.1, fitted, None, None, "[0, 1]", "none", False,
            0.01, (),
        )  # fmt: skip
        return made.candidate_table()[1][0][3], made.constants_table()[1][0][3:]

    assert shown(0.236) == ("240", ["0.2360", "0.1180 to 0.4720"])
    assert shown(0.00392157) == ("3.9", ["0.003922", "0.001961 to 0.007843"])
