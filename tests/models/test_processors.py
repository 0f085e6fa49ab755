"""What ``hf/`` says of a processor, against the processor itself on the network's own images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from normscope import load_folded
from normscope.deploy.options import FoldOptions
from normscope.deploy.shipping import ship
from normscope.errors import WorkFailed
from normscope.models.building import published
from normscope.models.claims import claims
from normscope.normalization import IMAGENET, Normalization

transformers = pytest.importorskip("transformers")

SIDE = 32
SQUARE = {"size": {"height": SIDE, "width": SIDE}}
SHORTER = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
RANDOM = {"image_mean": [0.3, 0.4, 0.6], "image_std": [0.2, 0.3, 0.25]}


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """A small network of transformers with random weights; its folder is copied by each test."""
    folder = tmp_path_factory.mktemp("network")
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=5
    )
    torch.manual_seed(0)
    model = transformers.ResNetForImageClassification(config).eval()
    with torch.no_grad():  # so that outputs spread as those of a trained network do
        model.classifier[1].weight.mul_(20)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def repository(network, tmp_path):
    """Write a processor beside the network."""
    for file in network.iterdir():
        (tmp_path / file.name).symlink_to(file)

    def with_processor(kind, **settings):
        getattr(transformers, kind)(**settings).save_pretrained(tmp_path)
        return f"hf/{tmp_path}"

    return with_processor


def of_processor(name, images):
    """The processor's own output on images of the model's size, which it is not to resize."""
    processor = transformers.AutoImageProcessor.from_pretrained(name.removeprefix("hf/"))
    pixels = processor(
        images=list(images), do_resize=False, do_center_crop=False, return_tensors="np",
        input_data_format="channels_first",
    )["pixel_values"]  # fmt: skip
    return np.asarray(pixels)


CASES = {
    "ViT": ("ViTImageProcessor", SQUARE),
    "do_normalize": ("ViTImageProcessor", {**SQUARE, "do_normalize": False}),
    "rescale_factor": ("ViTImageProcessor", {**SQUARE, "rescale_factor": 1 / 127.5}),
    "do_rescale": ("ViTImageProcessor", {**SQUARE, "do_rescale": False, **RANDOM}),
    "neither": ("ViTImageProcessor", {**SQUARE, "do_rescale": False, "do_normalize": False}),
    "include_top": ("EfficientNetImageProcessor", {**SQUARE, **RANDOM}),
    "no include_top": ("EfficientNetImageProcessor", {**SQUARE, **RANDOM, "include_top": False}),
    "offset": (
        "EfficientNetImageProcessor",
        {**SQUARE, "rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False,
         "image_mean": [0.0] * 3, "image_std": [1.0] * 3},
    ),
    "include_top alone": (
        "EfficientNetImageProcessor", {**SQUARE, **RANDOM, "do_normalize": False}
    ),
    "ConvNext": ("ConvNextImageProcessor", {"size": {"shortest_edge": SIDE}, **RANDOM}),
    "CLIP": ("CLIPImageProcessor", SHORTER),
    "BEiT": ("BeitImageProcessor", SQUARE),
    "DeiT": ("DeiTImageProcessor", {**SQUARE, "do_center_crop": False}),
    "LeViT": ("LevitImageProcessor", SHORTER),
    "MobileNetV1": ("MobileNetV1ImageProcessor", SHORTER),
    "MobileNetV2": ("MobileNetV2ImageProcessor", SHORTER),
    "MobileViT": ("MobileViTImageProcessor", SHORTER),
    "PoolFormer": ("PoolFormerImageProcessor", {**SHORTER, **RANDOM}),
    "SigLIP": ("SiglipImageProcessor", SQUARE),
    "PPLCNet": ("PPLCNetImageProcessor", SQUARE),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "settings"), CASES.values(), ids=CASES)
def test_the_published_normalization_is_the_processor_s(kind, settings, repository):
    name = repository(kind, **settings)
    images = np.random.default_rng(0).integers(256, size=(2, 3, SIDE, SIDE)).astype(np.uint8)
    said = published(name)
    given = images[:, ::-1] if said.blue_first else images
    found = said.normalization.normalize(given / 255.0)
    expected = of_processor(name, images)
    assert expected.shape == images.shape
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert said.blue_first == (kind in {"MobileViTImageProcessor", "PPLCNetImageProcessor"})


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("ViTImageProcessor", SQUARE, (SIDE, SIDE, True)),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": SIDE}}, (36, SIDE, False)),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}, (384, 384, True)),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 40}, "crop_pct": 0.8},
         (50, 40, False)),
        ("LevitImageProcessor", SHORTER, (36, SIDE, False)),
        ("PoolFormerImageProcessor", {**SHORTER, "crop_pct": 0.5}, (64, SIDE, False)),
        ("CLIPImageProcessor", SHORTER, (SIDE, SIDE, False)),
        ("MobileNetV2ImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": SQUARE["size"]},
         (40, SIDE, False)),
    ],
)  # fmt: skip
def test_resize_and_crop_are_the_processor_s(kind, settings, expected, tmp_path):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as F

    processor = getattr(transformers, kind)(do_normalize=False, **settings)
    processor.save_pretrained(tmp_path)
    (claim,) = claims(str(tmp_path)).claims
    assert (claim.resize, claim.crop, claim.squashed) == expected
    image = torch.from_numpy(
        np.random.default_rng(1).integers(256, size=(3, 50, 70)).astype(np.uint8)
    )
    by_library = torch.as_tensor(processor(images=[image], return_tensors="pt")["pixel_values"])
    sides = [claim.resize, claim.resize] if claim.squashed else [claim.resize]
    ours = F.resize(image, sides, InterpolationMode(claim.interpolation), antialias=True)
    ours = F.center_crop(ours, [claim.crop, claim.crop])
    torch.testing.assert_close(ours[None] / 255, by_library, atol=1 / 200, rtol=0)


def test_a_folder_of_constants_alone_is_read_by_its_network_s_own_processor(repository):
    name = repository("ViTImageProcessor", **SQUARE)
    file = Path(name.removeprefix("hf/"), "preprocessor_config.json")
    constants = {"image_mean": IMAGENET.mean, "image_std": IMAGENET.std}
    file.write_text(json.dumps(constants), encoding="utf-8")
    assert published(name).normalization == IMAGENET


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ViTImageProcessor", {**SQUARE, "do_normalize": False}),
        ("EfficientNetImageProcessor", {**SQUARE, **RANDOM}),
        ("MobileViTImageProcessor", SHORTER),
    ],
)
def test_fold_agrees_with_the_library_from_bytes_to_outputs(kind, settings, repository, tmp_path):
    name = repository(kind, **settings)
    out = tmp_path / "raw.safetensors"
    shipped = ship(FoldOptions(model=name, norm="model", weights="default", out=out))
    order = ", blue first" if kind.startswith("MobileViT") else ""
    (note,) = shipped.notes
    start = f"Compared with the library's own image processor{order}, the largest difference is "
    assert note.startswith(start)
    assert float(note.removeprefix(start).removesuffix(".")) < 1e-4
    images = np.random.default_rng(2).integers(256, size=(2, 3, SIDE, SIDE)).astype(np.uint8)
    pixels = torch.from_numpy(of_processor(name, images))
    network = transformers.AutoModelForImageClassification.from_pretrained(
        name.removeprefix("hf/")
    ).eval()
    given = torch.from_numpy(images[:, ::-1].copy() if order else images)
    with torch.no_grad():
        expected = network(pixels).logits
        found = load_folded(out)(given)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_fold_refuses_constants_that_are_not_the_library_s(repository, tmp_path, monkeypatch):
    name = repository("ViTImageProcessor", **SQUARE)
    wrong = Normalization((0.3, 0.4, 0.6), 0.05)
    monkeypatch.setattr("normscope.models.expected.expected_normalization", lambda _: wrong)
    out = tmp_path / "raw.pt2"
    with pytest.raises(WorkFailed) as met:
        ship(FoldOptions(model=name, norm="model", weights="default", out=out))
    assert str(met.value).startswith(
        f"the folded model must agree with {name} behind its own image processor, got a "
        "difference of "
    )
    assert str(met.value).endswith(
        "Nothing was written; give the normalization that the weights expect with --norm MEAN/STD."
    )
    assert not out.exists()


def test_a_processor_that_is_no_normalization_says_none(repository):
    clusters = np.random.default_rng(0).uniform(-1, 1, (8, 3)).tolist()
    name = repository("ImageGPTImageProcessor", clusters=clusters, **SQUARE)
    assert published(name).normalization is None


def test_a_std_of_0_says_none(repository):
    name = repository("ViTImageProcessor", **SQUARE, image_std=[0.5, 0.0, 0.5])
    assert published(name).normalization is None
    assert claims(name).contradictions == (
        (
            "preprocessor_config.json gives a std of 0.5, 0, 0.5 and a mean of 0.5; a std must be "
            "above 0, and both finite."
        ),
    )
