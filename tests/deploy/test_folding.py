from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from normscope.deploy.folding import fold
from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.normalization import Normalization

RGB = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
BYTES = torch.Generator().manual_seed(0)


def raw(channels, *size):
    return torch.randint(256, (3, channels, *size), dtype=torch.uint8, generator=BYTES)


def normalized(pixels, normalization, channels):
    each = normalization.for_channels(channels)
    mean, std = (
        torch.tensor(v, dtype=torch.float64).reshape(1, -1, 1, 1) for v in (each.mean, each.std)
    )
    return (pixels.double() / 255 - mean) / std


def assert_folds(model, normalization, channels, size):
    model = model.double().eval()
    pixels = raw(channels, *size)
    folded = fold(model, normalization, channels=channels, image_size=size)
    with torch.no_grad():
        expected = model(normalized(pixels, normalization, channels))
        found = folded.model(pixels)
    assert expected.std() > 0
    assert (found - expected).abs().max() <= 1e-10 * max(1, expected.abs().max())
    return folded


def randomized(model):
    """Every parameter and buffer random: a fresh ViT's head is zero and would hide errors."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point():
                width = tensor[0].numel() if tensor.ndim > 1 else 4
                tensor.normal_(0, width**-0.5, generator=generator)
    return model


# torch says this once a process, of the layer and not of its fold.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_folded_convolution_is_the_convolution_of_normalized_pixels(data):
    draw = data.draw
    groups = draw(st.sampled_from([1, 3]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = draw(
        st.one_of(
            st.tuples(st.integers(0, 3), st.integers(0, 3)), st.sampled_from(["same", "valid"])
        )
    )
    torch.manual_seed(draw(st.integers(0, 9)))
    layer = nn.Conv2d(
        3,
        3 * draw(st.integers(1, 2)),
        kernel,
        stride=1 if padding == "same" else draw(st.integers(1, 3)),
        padding=padding,
        dilation=draw(st.integers(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    )
    values = st.floats(-2, 2)
    normalization = Normalization(
        draw(st.tuples(values, values, values)),
        draw(st.tuples(*[st.floats(0.02, 2)] * 3)),
    )
    assert_folds(layer, normalization, 3, (13, 11))


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("to", ["uint8", "0.5/2"])
def test_one_number_stands_for_all_channels(groups, to):
    network = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, groups=groups))
    one, each = (fold(network, norm, to=to, image_size=8) for norm in (
        "0.5/0.25", "0.5,0.5,0.5,0.5/0.25,0.25,0.25,0.25"
    ))  # fmt: skip
    assert one.channels == 4
    images = torch.rand(2, 4, 8, 8)
    assert torch.equal(one.model(images), each.model(images))


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_behind_views_knows_the_channel_of_each_feature(bias):
    assert_folds(nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 7, bias=bias)), RGB, 3, (4, 5))


class Patches(nn.Module):
    """A patch embedding by views, as some transformers have it, on channels in BGR order."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3 * 4 * 4, 6)

    def forward(self, images):
        n, c, h, w = images[:, [2, 1, 0]].shape
        patches = images[:, [2, 1, 0]].reshape(n, c, h // 4, 4, w // 4, 4)
        return self.embed(patches.permute(0, 2, 4, 3, 5, 1).reshape(n, -1, 48))


class Focus(nn.Module):
    """Every second pixel side by side, then a padded convolution, as in YOLOv5."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(12, 5, 3, padding=1)

    def forward(self, images):
        parts = [images[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return self.convolution(torch.cat(parts, 1))


@pytest.mark.parametrize("model", [Patches(), Focus()])
def test_pixels_are_followed_through_views_slices_and_permutations(model):
    assert_folds(model, RGB, 3, (8, 8))


def test_weights_that_are_computed_are_folded_as_they_stand():
    assert_folds(parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1)), RGB, 3, (8, 8))


def batch_norm(channels=3, **options):
    layer = nn.BatchNorm2d(channels, **options)
    layer.running_mean.uniform_(-1, 1)
    layer.running_var.uniform_(0.5, 2)
    if layer.affine:
        nn.init.uniform_(layer.weight, 0.5, 2)
        nn.init.uniform_(layer.bias, -1, 1)
    return layer


@pytest.mark.parametrize("affine", [True, False])
def test_a_batchnorm_at_the_input_goes_into_the_layer_behind_it(affine):
    model = nn.Sequential(batch_norm(affine=affine), nn.Conv2d(3, 4, 3, padding=2), nn.ReLU())
    folded = assert_folds(model, RGB, 3, (9, 9))
    assert {n: c["kind"] for n, c in folded.changes.items()} == {
        "0": "Identity",
        "1": "PaddedConvolution",
    }


def test_a_batchnorm_whose_output_others_read_takes_the_normalization_itself():
    model = nn.Sequential(batch_norm(affine=False), nn.ReLU(), nn.Conv2d(3, 4, 3))
    folded = assert_folds(model, RGB, 3, (9, 9))
    assert [c["kind"] for c in folded.changes.values()] == ["BatchNorm2d"]


def test_a_batchnorm_that_clears_a_channel_is_kept_before_padding():
    model = nn.Sequential(batch_norm(), nn.Conv2d(3, 4, 3, padding=1))
    with torch.no_grad():
        model[0].weight[1] = 0
    folded = assert_folds(model, RGB, 3, (9, 9))
    assert list(folded.changes) == ["0"]


@pytest.mark.parametrize(
    "name", ["resnet18", "squeezenet1_1", "vit_b_16", "convnext_tiny", "efficientnet_b0"]
)
def test_networks_with_every_number_random(name):
    size, built = (64, 64), (224, 224) if name == "vit_b_16" else (64, 64)
    model = build_model(name, channels=3, classes=10, image_size=built)
    if built != size:  # the same with a twelfth of the patches
        model = type(model)(64, 16, 12, 12, 768, 3072, num_classes=10)
    model = randomized(model).eval()
    pixels = raw(3, *size)[:2]
    pixels[1] //= 4
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-10)):
        model = model.to(dtype)
        folded = fold(model, RGB, image_size=size)
        with torch.no_grad():
            expected = model(normalized(pixels, RGB, 3).to(dtype))
            found = folded.model(pixels)
        assert found.dtype == dtype
        assert expected.std(dim=0).max() > 0
        assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def test_the_original_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    fold(model, "mnist", image_size=8)
    assert model.training
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


@pytest.mark.parametrize("to", ["uint8", "none", "half", "0.1,0.2,0.3/0.4,0.5,0.6"])
@pytest.mark.parametrize("residual", [False, True])
def test_what_the_new_model_takes(to, residual):
    layer = nn.Conv2d(3, 4, 3, padding=1).double().eval()
    pixels = raw(3, 8, 8)
    folded = fold(layer, RGB, to=to, image_size=8, residual=residual)
    given = pixels.double()
    if to != "uint8":
        taken = Normalization.parse(to)
        given = normalized(pixels, taken, 3)
    with torch.no_grad():
        expected = layer(normalized(pixels, RGB, 3))
        found = folded.model(given * folded.scale)
    assert (found - expected).abs().max() < 1e-10
    assert (folded.scale == 1) != residual


def test_the_residual_scale_is_the_mean_of_the_stds():
    folded = fold(nn.Conv2d(3, 1, 3), RGB, image_size=8, residual=True)
    assert folded.scale == pytest.approx(1 / (255 * (0.229 + 0.224 + 0.225) / 3))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images):
        return self.layer(self.layer(images))


class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images):
        return self.layer(images) + images


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2, 3, 3, 3))

    def forward(self, images):
        return functional.conv2d(images, self.weight)


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, images):
        return self.layer(images.flatten(1).unflatten(1, (-1, 4)).mT.flatten(1)[:, :4])


class Nothing(nn.Module):
    def forward(self, images):
        return torch.zeros(len(images), 2)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Twice(), "layer is used 2 times"),
        (Around(), "computes with the pixels by 'add'"),
        (Functional(), "computes with the pixels by 'conv"),
        (nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 1, 1)), "computes with the pixels by 'max"),
        (nn.Sequential(nn.ZeroPad2d(1), nn.Linear(10, 2)), "'constant_pad_nd'"),
        (nn.Sequential(nn.ZeroPad2d(1), nn.ZeroPad2d(1), nn.Conv2d(3, 1, 3)), "'constant_pad_nd'"),
        (
            nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 1, 3, padding=1)),
            "1 pads what is padded already",
        ),
        (nn.Linear(8, 2), "channels meet in one of its features"),
        (Nothing(), "no layer reads the pixels"),
        (nn.BatchNorm2d(3, track_running_stats=False), "running statistics"),
        (nn.Conv2d(4, 1, 3), "must take images of shape (3, 8, 8)"),
        # What the network itself says of them, as BatchNorm does in training mode.
        (nn.BatchNorm1d(3), "got: expected 2D or 3D input (got 4D input)"),
    ],
)
def test_no_exact_fold_is_refused_with_why(model, why):
    with pytest.raises(NormscopeError) as caught:
        fold(model, RGB, image_size=8)
    assert why in str(caught.value)
