"""Checks of networks that were trained with constants of their own, as most outside of ImageNet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

from normscope import NormscopeError, audit, check, detect
from normscope.checking.in_use import InUse
from normscope.checking.opinions import BATCHNORM, FILES, Opinion, weighed
from normscope.checking.price import Price
from normscope.checking.verdict import judged
from normscope.detection.candidates import Candidate, candidates
from normscope.models.preprocessing.claim import BGR
from normscope.normalization import IMAGENET, Normalization

SCALE = 10_000
BANDS = Normalization((0.14, 0.16, 0.17, 0.19), (0.06, 0.05, 0.06, 0.09))
"""As of reflectance: dark, and each band its own."""


def _scenes(count, seed):
    """uint16, shape ``(count, 4, 32, 32)``."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, 4, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    fine = rng.normal(size=(count, 4, 32, 32))
    mean, std = (np.array(v)[:, None, None] for v in (BANDS.mean, BANDS.std))
    values = mean + std * (0.9 * coarse + 0.4 * fine)
    return np.clip(SCALE * values, 0, SCALE).astype(np.uint16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of four bands and 16 bits, of which the scale uses fewer."""
    path = tmp_path_factory.mktemp("bands")
    for number, scene in enumerate(_scenes(80, seed=1)):
        tifffile.imwrite(
            path / f"{number}.tif", scene.transpose(1, 2, 0),
            photometric="minisblack", planarconfig="contig",
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def network():
    """Whose BatchNorm has met such images under constants of their own."""
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(4, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24, momentum=None), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 5),
    )  # fmt: skip
    shown = torch.from_numpy(BANDS.normalize(_scenes(400, seed=2) / SCALE)).float()
    with torch.no_grad():
        for part in shown.split(50):
            made(part)
    return made.eval()


def test_constants_of_four_bands_are_right(network, folder):
    found = check(model=network, images=folder, norm=BANDS, scale=SCALE)
    assert found.sentence == (
        "Right. Sequential expects 0.14,0.16,0.17,0.19/0.06,0.05,0.06,0.09, and norm gives it."
    )
    assert found.expected.normalization == BANDS
    # Against itself nothing is lost, by definition.
    assert found.price is None
    assert not [line for line in found.evidence if line.source == "price"]
    assert found.images == 80


def test_other_constants_of_four_bands_are_wrong(network, folder):
    found = check(model=network, images=folder, norm="half", scale=SCALE)
    assert found.sentence.startswith(
        "Wrong: it is normalized with half. That changes no answer on these 80 images (at most "
        "4.6 % of answers, with 95 % confidence), but Sequential expects something else; "
        "use about 0.14,"
    )
    fitted = found.expected.normalization
    np.testing.assert_allclose(fitted.mean, BANDS.mean, atol=0.01)
    np.testing.assert_allclose(fitted.std, BANDS.std, rtol=0.1)


@pytest.mark.parametrize(("off", "word"), [(0.05, "right"), (0.3, "wrong"), (0.6, "wrong")])
def test_constants_that_lie_off_the_fit_are_not_right(network, folder, off, word):
    means = [mean + off * std for mean, std in zip(BANDS.mean, BANDS.std, strict=True)]
    found = check(model=network, images=folder, norm=Normalization(means, BANDS.std), scale=SCALE)
    assert found.verdict == word
    if word == "wrong":
        # What speaks for constants that are not believed does not blur the fit.
        use = Normalization.parse(found.answer.use)
        np.testing.assert_allclose(use.mean, BANDS.mean, atol=0.01)
        np.testing.assert_allclose(use.std, BANDS.std, rtol=0.1)


def test_constants_of_whole_pixels_are_right_where_pixels_are_divided_by_more(network, folder):
    white = 16383
    mean, std = ([SCALE / white * value for value in values] for values in (BANDS.mean, BANDS.std))
    found = check(model=network, images=folder, norm=Normalization(mean, std))
    assert found.answer.wrong == (
        "pixels of 16 bits, of which 13 are used (values to 5340) are divided by 65535"
    )
    assert found.sentence.endswith(
        "; divide them by what is white in them, such as 16383 (scale=16383) and keep the "
        "constants."
    )
    of_type = Normalization(*([v * white / 65535 for v in values] for values in (mean, std)))
    right = check(model=network, images=folder, norm=of_type)
    assert right.verdict == "right"
    assert right.sentence.endswith(" of pixels divided by 65535, and norm gives it.")


def test_bands_are_counted_where_one_constant_stands_for_all(network, folder):
    assert check(model=network, images=folder, norm="0.165/0.065", scale=SCALE).images == 80
    assert audit(model=network, images=folder, norm="0.165/0.065", scale=SCALE).images == 80


def test_images_that_cannot_be_read_are_not_blamed_on_the_network(network, tmp_path):
    (tmp_path / "scene.tif").write_bytes(b"II*\0nothing")
    with pytest.raises(NormscopeError, match="must hold at least one image that can be used"):
        check(model=network, images=tmp_path, norm=BANDS)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_steps_that_overflow_are_not_warned_of():
    mean = np.linspace(0.05, 0.3, 13)[:, None, None]

    def scenes(count, seed):
        rng = np.random.default_rng(seed)
        coarse = rng.normal(size=(count, 13, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
        noisy = 0.9 * coarse + 0.4 * rng.normal(size=(count, 13, 32, 32))
        return np.clip(mean + mean / 2 * noisy, 0, 1)

    own = Normalization(mean.ravel().tolist(), (mean / 2).ravel().tolist())
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(13, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48, momentum=None)
    )
    with torch.no_grad():
        for part in torch.from_numpy(own.normalize(scenes(300, seed=2))).float().split(50):
            made(part)
    found = detect(made.eval(), scenes(150, seed=1))
    np.testing.assert_allclose(found.fitted.normalization.mean, own.mean, atol=0.02)


def test_detection_divides_as_it_is_told(network, folder):
    found = detect(network, folder, scale=SCALE)
    np.testing.assert_allclose(found.fitted.normalization.mean, BANDS.mean, atol=0.02)
    brighter = detect(network, folder, scale=SCALE / 1.5)
    np.testing.assert_allclose(
        brighter.fitted.normalization.mean, np.multiply(1.5, BANDS.mean), atol=0.03
    )
    with pytest.raises(NormscopeError, match="scale must be from"):
        detect(network, folder, scale=0)


def test_other_images_that_are_dark_leave_the_constants_known(network):
    scenes = _scenes(80, seed=1) / SCALE
    smooth = (scenes + np.roll(scenes, 1, -1) + np.roll(scenes, 1, -2)) / 3
    found = detect(network, 1.1 * smooth)
    assert found.verdict == "none of the known"
    np.testing.assert_allclose(found.fitted.normalization.mean, BANDS.mean, atol=0.03)
    assert found.pixels == "[0, 1]"


def test_digits_constants_are_none_of_bands():
    names = [candidate.name for candidate in candidates(4)]
    assert names == ["half", "none", "0..255", "centred 0..255"]
    assert "mnist" in [candidate.name for candidate in candidates(1)]


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_what_is_used_is_a_candidate_unless_it_is_known(order):
    own = Normalization((0.2, 0.3, 0.4), (0.1, 0.2, 0.3))
    used = InUse.stated("--norm x", own, order)
    assert (used.candidate.normalization, used.candidate.order) == (own, order)
    assert used.candidate.in_words == "0.2,0.3,0.4/0.1,0.2,0.3"
    assert InUse.stated("--norm x", IMAGENET, order).candidate is None


def test_a_negative_std_and_crossed_channels_are_no_candidates():
    own = Normalization((0.2, 0.3, 0.4), (0.1, 0.2, 0.3))
    crossed = InUse.stated("x", own)
    for applied in ({"order": (1, 0, 2)}, {"std": (0.1, -0.2, 0.3)}):
        changed = type(crossed.applied)(**vars(crossed.applied) | applied)
        assert InUse("x", changed).candidate is None
    assert InUse("x", None).candidate is None


ROUGHLY = Opinion(BATCHNORM, "So.", Normalization(0.2, 0.45), refutes=0.997, fitted=True)
CHANGES = Price(0.1, (0.06, 0.15), labelled=False, images=200)
HALF = InUse.stated("--norm half", Normalization(0.5, 0.5))


def test_what_batchnorms_speak_against_is_wrong_though_they_know_the_right_only_roughly():
    found = judged("net", None, HALF, CHANGES, "labels", [ROUGHLY])
    assert found.sentence == (
        "Wrong: net was not trained with --norm half (confidence 0.997): about 0.2/0.45 fits its "
        "BatchNorms best, against which --norm half changes about 10 % of its answers; use the "
        "constants of its training."
    )
    assert found.wrong == "net was not trained with --norm half"
    assert found.use is None


def test_what_is_not_sure_or_changes_nothing_is_not_wrong():
    unsure = Opinion(BATCHNORM, "", Normalization(0.2, 0.45), BGR, refutes=0.9, fitted=True)
    fits = "about 0.2/0.45 fits its BatchNorms best"
    assert judged("net", None, HALF, CHANGES, "labels", [unsure]).sentence == (
        f"Cannot tell: {fits}, against which --norm half changes about 10 % of its answers, but "
        "that is not sure. Give labels."
    )
    sure, none = replace(unsure, refutes=0.997), Price(0.0, (0, 0.02), False, 200)
    assert judged("net", None, HALF, none, "labels", [sure]).sentence == (
        "Cannot tell: net was not trained with --norm half (confidence 0.997), and what it was "
        f"trained with is known only roughly: {fits}, against which --norm half changes no answer "
        "on 200 images. Give labels."
    )
    same = InUse.stated("--norm 0.2/0.45", Normalization(0.2, 0.45))
    assert judged("net", None, same, None, "labels", [unsure]).sentence == (
        f"Cannot tell: {fits}, as --norm 0.2/0.45 gives it, but is not sure. Give labels."
    )


def test_fitted_constants_are_about_so_and_known_ones_are_exact():
    own = Normalization(0.393, 0.45)
    fitted = Opinion(BATCHNORM, "", own, confidence=0.97, fitted=True)
    wrong = judged("net", weighed([fitted]), HALF, CHANGES, "labels")
    assert wrong.sentence.endswith("; use about 0.393/0.45.")
    assert wrong.use == "0.393/0.45"
    assert weighed([fitted]).to_json()["fitted"]
    stated = Opinion(FILES, "", own, confidence=0.97)
    assert judged("net", weighed([fitted, stated]), HALF, CHANGES, "labels").sentence.endswith(
        "; use 0.393/0.45."
    )
    assert Candidate.of(own, "rgb", fitted=True).in_words == "about 0.393/0.45"


BITS_13 = 8191 / 65535
OF_16_BITS = " of pixels divided by 65535"


def _dark(text, normalization):
    return replace(
        InUse.stated(text, normalization).of_pixels_to(BITS_13, OF_16_BITS, "Says so."),
        cause="pixels of 13 bits are divided by 65535",
        mend="divide them by 8191 (--scale 8191)",
    )


def test_constants_are_said_in_the_unit_in_use():
    fitted = Opinion(BATCHNORM, "", Normalization(0.147, 0.083), confidence=0.97, fitted=True)
    right = judged(
        "net", weighed([fitted]), _dark("--norm 0.0184/0.0104", Normalization(0.0184, 0.0104)),
        None, "labels",
    )  # fmt: skip
    assert right.sentence == (
        f"Right. net expects about 0.0184/0.0104{OF_16_BITS}, and --norm gives it."
    )
    assert right.use == "0.0184/0.0104"
    other = _dark("--norm 0.03/0.02", Normalization(0.03, 0.02))
    assert judged("net", weighed([fitted]), other, CHANGES, "labels").sentence == (
        f"Wrong: it is normalized with 0.03/0.02{OF_16_BITS}, which changes about 10 % of its "
        f"answers; use about 0.0184/0.0104{OF_16_BITS}."
    )
    half = _dark("--norm half", Normalization(0.5, 0.5))
    assert judged("net", weighed([fitted]), half, CHANGES, "labels").wrong == (
        "it is normalized with half"
    )
    roughly = replace(fitted, confidence=0.0, refutes=0.997)
    assert judged("net", None, half, CHANGES, "labels", [roughly]).sentence == (
        f"Wrong: net was not trained with --norm half (confidence 0.997): about 0.0184/0.0104"
        f"{OF_16_BITS} fits its BatchNorms best, against which --norm half changes about 10 % of "
        "its answers; use the constants of its training."
    )


def test_constants_that_are_right_of_whole_pixels_are_kept():
    fitted = Opinion(BATCHNORM, "", Normalization(0.147, 0.083), confidence=0.97, fitted=True)
    dark = _dark("--norm 0.147/0.083", Normalization(0.147, 0.083))
    found = judged("net", weighed([fitted]), dark, None, "labels")
    assert found.sentence == (
        "Wrong: pixels of 13 bits are divided by 65535; divide them by 8191 (--scale 8191) and "
        "keep the constants."
    )
    assert found.use == "0.147/0.083"


def test_constants_that_are_stated_are_not_said_to_scale_pixels():
    named = Opinion(BATCHNORM, "", Normalization(0.19, 0.44), confidence=0.95)
    used = InUse.stated("--norm 0.12/0.3", Normalization(0.12, 0.3))
    found = judged("net", weighed([named]), used, CHANGES, "labels")
    assert found.wrong == "it is normalized with 0.12/0.3"
