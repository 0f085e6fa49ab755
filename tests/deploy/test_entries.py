"""Where the pixels enter networks of other shapes than one convolution first."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import weight_norm

from normscope.cli.app import run
from normscope.deploy.folding import fold
from normscope.deploy.saving import Built, load_folded, save_folded
from normscope.errors import NormscopeError
from normscope.normalization import Normalization
from tests.deploy.refusals import said
from tests.deploy.test_folding import RGB, assert_folds, batch_norm, normalized, raw


class By(nn.Module):
    """A network whose forward pass is a function of itself and the images."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.by = forward

    def forward(self, images):
        return self.by(self, images)


def convolution(**options):
    return nn.Conv2d(3, 4, 3, **{"padding": 1, **options})


class StandardizedWeights(nn.Conv2d):
    """As Qiao et al. (2019) have it, arXiv:1903.10520."""

    def _conv_forward(self, images, weight, bias):
        centred = weight - weight.mean((1, 2, 3), keepdim=True)
        return super()._conv_forward(images, centred / weight.std((1, 2, 3), keepdim=True), bias)


class OtherStride(nn.Conv2d):
    def forward(self, images):
        return functional.conv2d(images, self.weight - 0.1, self.bias, 2, self.padding)


class Aliased(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = convolution()
        self.stem = nn.Sequential(self.conv1, nn.ReLU())

    def forward(self, images):
        return self.stem(images)


class Parts(nn.ModuleList):
    def forward(self, images):
        return torch.cat([layer(images[:, i : i + 1]) for i, layer in enumerate(self)], 1)


def mirrored(images):
    return images, images.flip(-1)


def like_torchvision(network, images):
    """What torchvision's ``normalize`` does, in place on a copy."""
    mean, std = (images.new_tensor([0.1, 0.2, v]).reshape(3, 1, 1) for v in (0.3, 0.4))
    return network.conv(images.clone().sub_(mean).div_(std))


ENTRIES = {
    "one layer under two names": Aliased,
    "two layers at once": lambda: By(
        lambda m, x: m.wide(x) + m.narrow(x), wide=convolution(), narrow=nn.Conv2d(3, 4, 1)
    ),
    "a BatchNorm beside a convolution": lambda: By(
        lambda m, x: m.conv(x) + m.second(m.norm(x)),
        conv=convolution(), norm=batch_norm(), second=nn.Conv2d(3, 4, 1),
    ),
    "a layer for each channel": lambda: Parts(nn.Conv2d(1, 2, 3, padding=1) for _ in range(3)),
    "mirrored too": lambda: By(
        lambda m, x: m.conv(x) + m.conv(x.flip(-1)).flip(-1), conv=convolution()
    ),
    "normalized inside and mirrored too": lambda: By(
        lambda m, x: sum(map(m.conv, mirrored(x / 2 - 1))), conv=convolution()
    ),
    "by keyword": lambda: By(lambda m, x: m.conv(input=x), conv=convolution()),
    "behind its own type": lambda: By(
        lambda m, x: m.conv(x.type(m.conv.weight.dtype)), conv=convolution()
    ),
    "enlarged": lambda: By(
        lambda m, x: m.conv(functional.interpolate(x, scale_factor=2)), conv=convolution()
    ),
    "resized": lambda: By(
        lambda m, x: m.conv(functional.interpolate(x, size=(7, 9), mode="bicubic")),
        conv=convolution(),
    ),
    "unfolded": lambda: By(
        lambda m, x: m.linear(functional.unfold(x, 3).mT), linear=nn.Linear(27, 5)
    ),
    "weight_norm": lambda: nn.Sequential(weight_norm(convolution())),
    "standardized weights": lambda: StandardizedWeights(3, 4, 3, padding=1),
    "in inference mode": lambda: By(
        torch.inference_mode()(lambda m, x: m.own(x) + m.wide(x)),
        wide=convolution(), own=StandardizedWeights(3, 4, 3, padding=1),
    ),
    "another stride than its own": lambda: OtherStride(3, 4, 3, padding=1),
    "normalized inside": lambda: By(
        lambda m, x: m.conv((0.3 - x) * x.new_tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)),
        conv=convolution(),
    ),
    "normalized inside, in place": lambda: By(like_torchvision, conv=convolution()),
    "normalized inside and padded": lambda: By(
        lambda m, x: m.conv(functional.pad(x / 2 - 1, (0, 1, 2, 1), value=0.5)),
        conv=convolution(padding=0),
    ),
    "normalized inside, then a BatchNorm": lambda: By(
        lambda m, x: m.conv(m.norm(x / 2 - 1)), norm=batch_norm(), conv=convolution()
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("name", ENTRIES)
def test_the_pixels_may_enter_by(name):
    assert_folds(ENTRIES[name](), RGB, 3, (13, 10))


def test_every_name_of_a_layer_is_written_and_read(tmp_path):
    folded = fold(Aliased().eval(), RGB, image_size=8)
    built = Built("tests.deploy.test_entries:Aliased", 4)
    save_folded(folded, tmp_path / "folded.safetensors", built)
    read = load_folded(tmp_path / "folded.safetensors", model=built.name)
    pixels = raw(3, 8, 8)
    assert torch.equal(read(pixels), folded.model(pixels))


def test_a_class_that_computes_its_weights_is_not_given_folded_ones():
    model = nn.Sequential(StandardizedWeights(3, 4, 3))
    folded = assert_folds(model, RGB, 3, (13, 10))
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(folded.model.model.state_dict())


def test_same_padding_may_begin_at_another_size():
    layers = pytest.importorskip("timm.layers")
    model = nn.Sequential(layers.Conv2dSame(3, 4, 2, 2)).double().eval()
    for traced in (14, 15):
        folded = fold(model, RGB, image_size=traced)
        for size in ((14, 14), (15, 14), (15, 15)):
            pixels = raw(3, *size)
            with torch.no_grad():
                expected = model(normalized(pixels, RGB, 3))
                assert (folded.model(pixels) - expected).abs().max() < 1e-10


@pytest.mark.parametrize("kind", [nn.Conv2d, StandardizedWeights])
def test_autocast_rounds_and_is_folded(kind):
    model = By(torch.autocast("cpu", torch.bfloat16)(lambda m, x: m.conv(x)), conv=kind(3, 4, 3))
    folded, pixels = fold(model, RGB, image_size=8), raw(3, 8, 8)
    expected = model(normalized(pixels, RGB, 3).float())
    assert folded.model(pixels).dtype == expected.dtype == torch.bfloat16
    assert (folded.model(pixels) - expected).abs().max() < 0.05 * expected.std()


def test_the_first_layers_are_compared_without_tf32():
    seen = []

    def noting(network, images):
        seen.append(torch.backends.cudnn.conv.fp32_precision)
        return network.conv(images)

    fold(By(noting, conv=convolution()), RGB, image_size=8)
    assert seen[-2:] == ["ieee", "ieee"]  # the original and its fold
    assert torch.backends.cudnn.conv.fp32_precision == seen[0] != "ieee"


class Masks(nn.Module):
    """Several outputs, as segmentation has them, or one in a mapping."""

    def __init__(self, count=2):
        super().__init__()
        self.conv = convolution()
        self.count = count

    def forward(self, images):
        return {f"out{i}": self.conv(images) for i in range(self.count)}


class Mask(Masks):
    def __init__(self):
        super().__init__(1)


def test_a_network_of_several_outputs_is_refused(capsys, tmp_path):
    options = ["--norm", "half", "--image-size", 8, "-o", tmp_path / "folded.safetensors"]
    assert said(capsys, "tests.deploy.test_entries:Masks", *options) == (
        "Masks must have one output, shape (N, classes), got 2. Give the classes' alone."
    )
    assert run(["fold", "tests.deploy.test_entries:Mask", *map(str, options)]) == 0


class AlwaysDropping(Mask):
    def forward(self, images):
        return functional.dropout(self.conv(images))


def test_random_outputs_are_told_from_a_wrong_fold(capsys, tmp_path):
    options = ["--norm", "half", "--image-size", 8, "-o", tmp_path / "folded.safetensors"]
    assert said(capsys, "tests.deploy.test_entries:AlwaysDropping", *options) == (
        "the network must give the same outputs for the same images in evaluation mode, got others "
        "each time. Mend it; a dropout may be on, as F.dropout(x) without training=self.training."
    )


def refusing(_, images):
    raise AssertionError(f"Input height ({images.shape[2]}) doesn't match model (224)")


def test_what_a_network_says_of_a_size_is_passed_on():
    with pytest.raises(NormscopeError) as caught:
        fold(By(refusing), "0.5/0.5", channels=3, image_size=8)
    assert str(caught.value) == (
        "the model must take images of shape (3, 8, 8), got: Input height (8) doesn't match model "
        "(224). Give its image_size and channels."
    )


def test_a_normalization_that_a_network_does_itself_is_not_done_twice():
    model = By(lambda m, x: m.conv((x - 0.5) / 0.25), conv=convolution())
    with pytest.raises(NormscopeError) as caught:
        fold(model, Normalization(0.5, 0.25), image_size=8)
    assert str(caught.value) == (
        "the network must not already do the normalization, got one that applies 0.5/0.25 itself "
        "to pixels of [0, 1]. Give what is applied before the network: none."
    )
