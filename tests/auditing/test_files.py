"""One network as several kinds of file gives one audit; so does a network that is handed over."""

from __future__ import annotations

import tarfile
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import normscope
from normscope.auditing import audit as auditing
from normscope.detection.answers import Asking
from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.models.resnet20 import ResNet20
from normscope.normalization import IMAGENET
from tests.models.files.networks import write_onnx, write_program, write_script

AGREED = 1e-4
FEW = 5


def resnet20(weights):
    network = ResNet20()
    network.load_state_dict(load_file(weights / "resnet20-cifar10.safetensors"), strict=False)
    return network.eval()


def squeezenet(weights):
    from torchvision.models import squeezenet1_1

    network = squeezenet1_1()
    network.load_state_dict(load_file(weights / "squeezenet1_1-imagenet.safetensors"))
    return network.eval()


@pytest.fixture(params=["resnet20", "squeezenet1_1"])
def case(request, tmp_path, real_data, real_weights):
    """A network with real weights in every kind of file, and some real images of its own."""
    small = request.param == "resnet20"
    network = (resnet20 if small else squeezenet)(real_weights)
    side = 32 if small else 224
    source = real_data / ("cifar10-jpeg/test.tar" if small else "imagenet-sample")
    example = torch.rand(2, 3, side, side)
    pytest.importorskip("onnxruntime")
    files = [
        write_onnx(network, tmp_path / "n.onnx", example),
        write_program(network, tmp_path / "n.pt2", example),
        write_script(network, tmp_path / "n.pt", example),
    ]
    name = "resnet20-cifar10" if small else "squeezenet1_1-imagenet"
    return SimpleNamespace(
        network=network, files=files, name=request.param, side=side, source=source,
        weights=real_weights / f"{name}.safetensors",
        transform={} if small else {"resize": 256, "crop": 224},
        norm="imagenet" if not small else "0.4914,0.4822,0.4465/0.2470,0.2435,0.2616",
    )  # fmt: skip


def some_of(source, folder, count):
    """A folder of a few images from all over a folder or an archive, without labels."""
    folder.mkdir()
    if source.is_dir():
        photos = sorted(source.rglob("*.JPEG"))
        for photo in photos[:: len(photos) // count][:count]:
            (folder / photo.name).write_bytes(photo.read_bytes())
        return folder
    with tarfile.open(source) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        for number, member in enumerate(members[:: len(members) // count][:count]):
            (folder / f"{number}.jpg").write_bytes(archive.extractfile(member).read())
    return folder


def prices(found):
    return {m.name: m.cost.disagreement for m in found.mistakes if m.cost is not None}


def test_every_kind_of_file_gives_the_same_answers_and_audit(case, tmp_path):
    images = torch.randn(3, 3, case.side, case.side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = case.network(images)
    sizes = {"channels": 3, "classes": expected.shape[1], "image_size": (case.side, case.side)}
    named = ModelOptions(str(case.weights))
    built = [build_model(case.name, **sizes, options=named)]
    built += [build_model(str(path), **sizes) for path in case.files]
    for network in built:
        with torch.inference_mode():
            found = network.eval()(images)
        torch.testing.assert_close(found, expected, atol=AGREED, rtol=AGREED)
    photos = some_of(case.source, tmp_path / "photos", FEW)
    options = {"norm": case.norm, "images": photos, **case.transform}
    reference = prices(normscope.audit(case.name, weights=case.weights, **options))
    assert max(reference.values()) > 0
    for path in case.files:
        found = prices(normscope.audit(str(path), **options))
        assert found.keys() == reference.keys()
        for name, price in reference.items():
            assert abs(found[name] - price) <= 1 / FEW + 1e-9


@pytest.fixture
def photos(tmp_path):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


OPTIONS = {"norm": "imagenet"}


def by_brightness(images):
    means = np.asarray(images).mean(axis=(2, 3))
    return np.concatenate([means, -means], axis=1)


class WithLogits(torch.nn.Module):
    config = None

    def forward(self, images):
        return SimpleNamespace(logits=torch.from_numpy(by_brightness(images.cpu().numpy())))


def test_a_callable_gives_what_a_module_gives(photos):
    by_function = normscope.audit(by_brightness, images=photos, **OPTIONS)
    by_module = normscope.audit(WithLogits(), images=photos, **OPTIONS)
    assert (by_function.model, by_module.model) == ("by_brightness", "WithLogits")
    assert prices(by_function) == prices(by_module)
    assert prices(by_function)["bgr"] > 0


@pytest.mark.parametrize(
    ("model", "more", "sentence"),
    [
        (
            by_brightness, {"norm": "model"},
            "norm='model' must be used with a model whose library says what its weights expect, "
            "got by_brightness. Give MEAN/STD, or find it with normscope detect.",
        ),
        (
            by_brightness, {"weights": "w.pt"},
            "weights must be used with a model's name, got by_brightness, which brings its own. "
            "Leave it out.",
        ),
        (
            WithLogits, {},
            "model must be a name, a torch.nn.Module or a callable from a batch to outputs, got "
            "the class WithLogits. Hand over the network itself.",
        ),
        (
            3, {},
            "model must be a name, a torch.nn.Module or a callable from a batch to outputs, got "
            "3. Hand over the network itself.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_audited(photos, model, more, sentence):
    with pytest.raises(NormscopeError) as met:
        normscope.audit(model, images=photos, **OPTIONS | more)
    assert str(met.value) == sentence


def test_outputs_that_are_a_map(photos):
    with pytest.raises(NormscopeError) as met:
        normscope.audit(lambda images: images, images=photos, **OPTIONS)
    assert str(met.value) == (
        "model <lambda> must give at least two outputs for an image, shape (1, classes), got "
        "(1, 3, 16, 16). Audit a classifier."
    )


def test_a_module_is_left_as_it_is(photos):
    network = ResNet20().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = auditing.audit(network, images=photos, **OPTIONS)
    assert network.training
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert found.model == "ResNet20"
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_network_of_hugging_face_that_takes_blue_first(tmp_path, real_data):
    """Against transformers' own processor; told what its configuration says, and told otherwise."""
    transformers = pytest.importorskip("transformers")
    from PIL import Image

    torch.manual_seed(0)
    configuration = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=5
    )
    network = transformers.ResNetForImageClassification(configuration).eval()
    images = some_of(real_data / "cifar10-jpeg/test.tar", tmp_path / "photos", 24)
    constants = {"image_mean": [0.3, 0.4, 0.6], "image_std": [0.2, 0.3, 0.25]}
    processor = transformers.PPLCNetImageProcessor(
        do_resize=False, do_center_crop=False, **constants
    )
    pictures = [Image.open(path).convert("RGB") for path in sorted(images.iterdir())]

    def answers(reverse=False):
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            return network(pixels.flip(1) if reverse else pixels).logits

    with torch.inference_mode():  # each answer is given about as often
        network.classifier[1].weight.mul_(20)
        network.classifier[1].bias.sub_(answers().mean(dim=0))
    right, wrong = answers().argmax(1), answers(reverse=True).argmax(1)
    assert (right != wrong).any()
    folder = tmp_path / "hf"
    network.save_pretrained(folder)
    processor.save_pretrained(folder)

    def as_processor(picture):
        return processor(images=[picture], return_tensors="pt")["pixel_values"][0]

    options = {"images": images, "crop": 32}
    found = normscope.audit(str(folder), norm="model", pipeline=as_processor, **options)
    assert str(found.reference.normalization) == "0.3,0.4,0.6/0.2,0.3,0.25"
    assert found.to_json()["reference"]["order"] == "bgr"
    assert found.tested.cost.disagreement == 0
    assert not found.tested.differs
    assert found.tested.mistake is None
    by_name = {mistake.name: mistake for mistake in found.mistakes}
    assert by_name["bgr"].description == "RGB for BGR, images and constants"
    changed = int((right != wrong).sum()) / len(right)
    assert by_name["bgr"].cost.disagreement == changed
    assert (
        f"{folder} takes blue, green, red, as its own configuration says, and is given them so; "
        "constants are written red first."
    ) in found.sentences

    def red_first(picture):
        return as_processor(picture).flip(0)

    found = normscope.audit(str(folder), norm="model", pipeline=red_first, **options)
    assert found.tested.cost.disagreement == changed
    assert found.tested.mistake.name == "bgr"
    assert found.tested.mistake.description == "images and constants are RGB for BGR"
    assert found.sentences[0].startswith(
        "Yes: the pipeline red_first normalizes with 0.3,0.4,0.6/0.2,0.3,0.25, not "
        "0.6,0.4,0.3/0.25,0.3,0.2 and channels BGR; fix it: images and constants are RGB for BGR."
    )


class WithView(torch.nn.Module):
    """As in many a tutorial: a view of what a convolution gives, or of the image itself."""

    def __init__(self, first):
        super().__init__()
        self.first = first
        self.convolution = torch.nn.Conv2d(3, 4, 3)
        self.linear = torch.nn.Linear(3 * 16 * 16 if first else 4 * 14 * 14, 5)

    def forward(self, images):
        given = images if self.first else self.convolution(images)
        return self.linear(given.view(-1, self.linear.in_features))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("exported", [False, True])
def test_a_network_with_a_view(photos, tmp_path, first, exported):
    torch.manual_seed(0)
    network = WithView(first).eval()
    model = str(write_script(network, tmp_path / "n.pt", torch.rand(2, 3, 16, 16)))
    found = normscope.audit(model if exported else network, images=photos, **OPTIONS)
    by_function = normscope.audit(lambda x: network(x).detach(), images=photos, **OPTIONS)
    assert prices(found) == prices(by_function)
    assert max(prices(found).values()) > 0
    asking = Asking(network, np.zeros((3, 3, 16, 16), np.uint8))
    assert asking.log_probabilities(IMAGENET, "rgb").shape == (3, 5)
