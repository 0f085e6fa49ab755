from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn
from torch.nn import functional

import normscope
from normscope.detection.augmented_views import AssumedAugmentation
from normscope.detection.candidates import candidates
from normscope.detection.detection_result import Detection, Fitted
from normscope.detection.expansion import DRIFTS, Expansion
from normscope.detection.foreign import (
    BRIGHTNESS,
    CONTRAST,
    LOG_PRIOR,
    SIZES,
    altered,
    directions,
)
from normscope.detection.patches import response_moments
from normscope.detection.prior import MEAN_PRIOR, OF_IMAGES, SCALES, Sizes
from normscope.detection.ranking import rank
from normscope.detection.system import LinearSystem
from normscope.detection.target import find_target
from normscope.models.preprocessing.dark import USUAL_SPREAD

MEAN, STD = (0.4, 0.5, 0.6), (0.3, 0.2, 0.25)
TRUE = np.r_[MEAN, np.log(STD)]
PLAIN = AssumedAugmentation()


@pytest.fixture
def system_of(coloured_images, checkpoint):
    model = checkpoint(MEAN, STD, layers=[nn.Conv2d(3, 16, 3, 2)])
    target = find_target(model, 3, (20, 20), 100)

    def build(images):
        first, second = response_moments(target.convolution, images, PLAIN)["rgb"]
        bias = target.convolution.bias.detach().numpy()
        return LinearSystem(first, second, bias, target.averages)

    return build


@pytest.fixture(params=[1, 5], ids=["as they are", "dark"])
def expansion(request, system_of, coloured_images):
    images = torch.from_numpy(coloured_images // request.param)
    foreign = directions([system_of(way) for way in altered(images)])
    return Expansion.at(system_of(images), TRUE + 0.05, foreign, Sizes.of(images).prior)


def test_directions_are_what_other_images_do(system_of, coloured_images):
    images = torch.from_numpy(coloured_images).double() / 255
    system = system_of(images)
    plain = system.residual(TRUE)
    found = directions([system_of(way) for way in altered(images)])(TRUE, system.jacobian(TRUE))
    assert found.shape == (32, 12)
    step = 1e-5
    brighter = system_of(images + step).residual(TRUE) - plain
    # A brighter image is a darker mean of the normalization.
    assert np.allclose(brighter[:16] / step, -found[:16, 0] / BRIGHTNESS, rtol=1e-3)
    centre = images.mean((0, 2, 3), keepdim=True)
    sharper = system_of(centre + (images - centre) * np.exp(step)).residual(TRUE) - plain
    assert np.allclose(sharper[16:] / step, -found[16:, 4] / CONTRAST, rtol=1e-3)
    assert np.abs(found[:16, 4]).max() == 0


def test_brightness_and_beliefs_are_of_the_images_size_where_they_are_dark(coloured_images):
    images = torch.from_numpy(coloured_images).double() / 255
    bright = Sizes.of(3 * (images - images.mean()))
    assert bright.used == 1
    assert [each.weight for each in bright.prior] == [scale[0] for scale in SCALES]
    assert bright.prior[0].centre.tolist() == [MEAN_PRIOR[0]] * 3 + [SCALES[0][1]] * 3
    dark = Sizes.of(images / 5)
    np.testing.assert_allclose(dark.std, images.std((0, 2, 3)) / 5)
    assert dark.used == pytest.approx(float(images.std((0, 2, 3)).mean()) / 5 / USUAL_SPREAD)
    assert sum(each.weight for each in dark.prior) == pytest.approx(1)
    own = dark.prior[-1]
    np.testing.assert_allclose(own.centre, [*dark.mean, *np.log(dark.std)])
    np.testing.assert_allclose(own.precision[:3], (OF_IMAGES[1] * dark.std) ** -2.0)


def test_altered_images_differ_as_they_say(coloured_images):
    plain, fine, coarse, framed, coloured = altered(torch.from_numpy(coloured_images))

    def roughness(images):
        return float((images[..., 1:] - images[..., :-1]).square().mean())

    assert len(plain) == 32
    assert roughness(coarse) < roughness(fine) < roughness(plain)
    assert float(framed[:, :, 2:-2, 2:-2].sub(plain[:, :, 2:-2, 2:-2]).abs().max()) == 0
    assert float(framed[:, :, :2].abs().max()) == float(framed[..., -2:].abs().max()) == 0
    assert torch.allclose(coloured.mean((0, 2, 3)), plain.mean((0, 2, 3)))
    assert float((coloured - plain)[:, 0].std()) > 0.01
    assert len(altered(torch.from_numpy(coloured_images[:, :1]))) == 4


def covariance(expansion, pair, size):
    of_mean, of_std = DRIFTS[pair // 12], DRIFTS[pair % 12]
    filters = len(expansion.residual) // 2
    drift = np.repeat([of_mean, of_std], filters) * expansion.inflation
    common = np.r_[np.zeros(filters), np.full(filters, 0.3 * of_std)]
    deviation = expansion.influence - expansion.influence.mean(0)
    sampling = np.cov(deviation.T) * (1 / len(deviation) + 1 / (100 * 19))
    columns = expansion.foreign * np.r_[np.full(8, size[0]), np.full(4, size[1])]
    return sampling + np.diag(drift**2) + np.outer(common, common) + columns @ columns.T


@pytest.mark.parametrize("index", [0, 3, 7])
def test_evidence_is_that_of_the_whole_normal_distribution(expansion, index):
    point = expansion.system.residual(TRUE)
    found = expansion.weigh(point[None], len(SIZES))
    pair, prior = 40, LOG_PRIOR[index] - np.log(144) + 16 * np.log(2 * np.pi)
    dense = covariance(expansion, pair, SIZES[index])
    known = multivariate_normal.logpdf(point, np.zeros(32), dense)
    assert found.of_known[0, pair, index] == pytest.approx(known + prior, rel=1e-6)
    logs = []
    for weight, centre, precision in expansion.prior:
        away = centre - expansion.centre
        broad = np.diag(1 / precision)
        expected = expansion.residual + expansion.jacobian @ away
        whole = dense + expansion.jacobian @ broad @ expansion.jacobian.T
        logs.append(np.log(weight) + multivariate_normal.logpdf(expected, np.zeros(32), whole))
    unknown = np.logaddexp.reduce(logs) + prior
    assert found.of_unknown[pair, index] == pytest.approx(unknown, rel=1e-6)
    gain, _ = expansion.gain(pair, SIZES[index])
    precise = np.linalg.inv(dense)
    likeliest = expansion.prior[int(np.argmax(logs))].precision
    hessian = expansion.jacobian.T @ precise @ expansion.jacobian + np.diag(likeliest)
    solved = -np.linalg.solve(hessian, expansion.jacobian.T @ precise)
    assert np.allclose(gain, solved, rtol=1e-6, atol=1e-9)


def detect(model, images):
    return normscope.detect(model, images, batch_size=100, device="cpu", augmentation="none")


def blurred(images, contrast):
    pixels = torch.from_numpy(images).double()
    smooth = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    mean = smooth.mean()
    return (mean + contrast * (smooth - mean)).clamp(0, 255).round().to(torch.uint8).numpy()


def test_smoother_images_are_no_proof_against_a_known_one(checkpoint, coloured_images):
    model = checkpoint((0.5,) * 3, (0.5,) * 3)
    found = detect(model, blurred(coloured_images, 0.85))
    assert found.none_of_them < 0.5
    assert found.verdict in {"half", "cannot tell"}
    assert any(
        "the images or the augmentation are not the training's" in note for note in found.notes
    )


def test_the_own_images_are_not_doubted(checkpoint, coloured_images):
    found = detect(checkpoint((0.5,) * 3, (0.5,) * 3), coloured_images)
    assert (found.verdict, found.notes) == ("half", ())


@pytest.mark.parametrize(
    ("none", "width", "verdict", "end"),
    [
        (0.51, 0.01, "none of the known", "fit best are about 0.3/0.4."),
        (0.51, 0.3, "none of the known", "fit best are about 0.3/0.4, known only roughly."),
        (0.51, 1.1, "cannot tell", "what fits best is about 0.3/0.4."),
        (0.49, 0.01, "cannot tell", "what fits best is about 0.3/0.4."),
    ],
)
def test_none_of_the_known_is_said_where_likely_and_where_constants_are_known_roughly(
    none, width, verdict, end
):
    interval = ((0.3 - width / 2, 0.3 + width / 2),)
    fitted = Fitted(normscope.Normalization(0.3, 0.4), interval, ((0.35, 0.45),))
    assert not replace(fitted, unit=width / 2).within((1.0, 5.0))
    found = Detection(
        model="net", images=9, batchnorm="1", layer="0", candidates=(), none_of_them=none,
        fitted=fitted, order=None, order_confidence=None, pixels="[0, 1]", augmentation="none",
        augmentation_given=True, misfit=0.0, notes=(),
    )  # fmt: skip
    assert found.verdict == verdict
    assert found.sentence.endswith(end)


class Hypothetical:
    """One order of channels: two candidates, whose evidence is given."""

    def __init__(self, misfit, own, foreign):
        self.misfit, self.total = misfit, 0.0
        logs = np.log(np.array([own, foreign]).T)
        self.unknown, self.known = logs[0], logs[1:]
        self.prior_unknown, self.prior_known = np.log(0.3), np.log([0.6, 0.1])
        self.candidates = candidates(1)[:2]
        system = SimpleNamespace(residual=lambda _: np.zeros(4))
        self.evidence = SimpleNamespace(system=system)


def confidences(misfit, own=(1e-30,) * 3, foreign=(0.5, 0.4, 0.1)):
    return [ranked.confidence for ranked in rank([Hypothetical(misfit, own, foreign)])]


def test_what_speaks_against_all_known_ones_is_doubted_as_the_images_misfit():
    # By hand: 0.35 of each log; of none's share 1/2 and then 4/5 go back to what was before.
    none, first, second = np.array([0.5, 0.4, 0.1]) ** 0.35 / (0.5**0.35 + 0.4**0.35 + 0.1**0.35)
    assert confidences(0.0) == pytest.approx([first, second])
    half, most = none / 2, 4 * none / 5
    assert confidences(0.12) == pytest.approx([first + 0.6 * half, second + 0.1 * half])
    assert confidences(0.24) == pytest.approx([first + 0.6 * most, second + 0.1 * most])
    own = confidences(0.24, own=(0.9, 0.05, 0.05), foreign=(1e-30,) * 3)
    assert own == pytest.approx([0.05, 0.05])
