"""Claims of Keras files and of folders, and what contradicts itself or another."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from normscope.errors import NormscopeError
from normscope.models.building import published
from normscope.models.claims import claims
from normscope.models.preprocessing.processor import processor_claim
from normscope.normalization import HALF, IMAGENET, NONE, Normalization

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras on torch

SIDE = 6
BYTES = Normalization(0, 1 / 255)


def keras_model(keras, kind):
    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3))
    if kind == "rescaled":
        x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    elif kind == "adapted":
        adapted = layers.Normalization()
        adapted.adapt(np.random.default_rng(0).random((9, SIDE, SIDE, 3)))
        x = adapted(layers.Rescaling(1 / 255)(layers.RandomFlip()(inputs)))
    elif kind == "nested":
        inner = keras.Sequential(
            [
                layers.Rescaling(1 / 255),
                layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.04] * 3),
            ]
        )
        x = inner(inputs)
    elif kind == "arithmetic":
        x = (inputs / 255.0 - 0.5) / 0.5
    elif kind == "of [0, 1]":
        x = layers.Normalization(mean=IMAGENET.mean, variance=np.square(IMAGENET.std))(inputs)
    return keras.Model(inputs, layers.Conv2D(3, 1, name="first")(x))


@pytest.mark.parametrize("kind", ["rescaled", "adapted", "nested", "arithmetic", "of [0, 1]"])
def test_keras_layers_do_what_is_claimed(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    model = keras_model(keras, kind)
    first = model.get_layer("first")
    first.set_weights([np.eye(3)[None, None], np.zeros(3)])  # so that outputs are what it meets
    model.save(tmp_path / "x.keras")
    (claim,) = claims(str(tmp_path / "x.keras")).claims
    assert claim.inside
    assert claim.takes == (NONE if kind == "of [0, 1]" else BYTES)
    pixels = np.random.default_rng(1).integers(256, size=(2, 3, SIDE, SIDE))
    given = (pixels if claim.takes == BYTES else pixels / 255).transpose(0, 2, 3, 1)
    outputs = model(given.astype(np.float32), training=False)
    met = keras.ops.convert_to_numpy(outputs).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(claim.normalization.normalize(pixels / 255), met, atol=1e-4)


def test_keras_files_that_say_nothing_or_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    plain = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(2, 3)])
    plain.save(tmp_path / "x.keras")
    assert claims(str(tmp_path / "x.keras")).claims == ()
    cut = tmp_path / "y.keras"
    cut.write_bytes((tmp_path / "x.keras").read_bytes()[:500])
    with pytest.raises(NormscopeError) as met:
        claims(str(cut))
    assert str(met.value) == (
        f"{cut} must be a file that Keras 3 saved, got BadZipFile: File is not a zip file. "
        "Save it again."
    )
    bomb = tmp_path / "z.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(65 << 20))
    with pytest.raises(NormscopeError) as met:
        claims(str(bomb))
    assert str(met.value) == (
        f"{bomb} must hold a config.json of at most 64 MiB, got 65 MiB. Check the file."
    )


@pytest.fixture
def folder(tmp_path):
    """Write configuration files."""

    def write(**files):
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def constants(mean, std, **settings):
    return {"image_processor_type": "Unheard", "image_mean": mean, "image_std": std, **settings}


IMAGENET_TEXT = "its mean of 0.485, 0.456, 0.406 and std of 0.229, 0.224, 0.225"
FAULTS = {
    "copied": (
        constants([0.485, 0.456, 0.406], [0.485, 0.456, 0.406]),
        "mean equals std in every channel (0.485, 0.456, 0.406); one was copied in the place of "
        "the other.",
    ),
    "exchanged": (
        constants(IMAGENET.std, IMAGENET.mean),
        "has the mean and the std of imagenet in each other's place.",
    ),
    "bytes": (
        constants([123.7, 116.3, 103.5], [58.4, 57.1, 57.4]),
        "brings pixels to [0, 1] by rescale_factor 1/255, and its mean of 123.7, 116.3, 103.5 and "
        "std of 58.4, 57.1, 57.4 are of pixels of 0..255.",
    ),
    "not normalized": (
        constants(IMAGENET.mean, IMAGENET.std, do_normalize=False),
        "has do_normalize false with constants given: its mean and std are not used.",
    ),
    "not rescaled": (
        constants(IMAGENET.mean, IMAGENET.std, do_rescale=False),
        f"has do_rescale false, which leaves pixels in 0..255, and {IMAGENET_TEXT} are of pixels "
        "of [0, 1].",
    ),
    "rescaled twice": (
        constants(IMAGENET.mean, IMAGENET.std, rescale_factor=1 / 255**2),
        "brings pixels to [0, 0.003922] by rescale_factor 1/65025, and "
        f"{IMAGENET_TEXT} are of pixels of [0, 1].",
    ),
    "zero": (
        constants([0.5, 0.5, 0.5], [0.5, 0, 0.5]),
        "gives a std of 0.5, 0, 0.5 and a mean of 0.5; a std must be above 0, and both finite.",
    ),
    "lengths": (
        constants([0.5, 0.5], [0.5, 0.4, 0.5]),
        "gives a mean of 2 numbers and a std of 3; they cannot belong together.",
    ),
    "channels": (
        constants([0.5, 0.4], [0.5, 0.2]),
        "gives a mean and a std of 2 channels, and the model takes images of 3.",
    ),
    "no std": (constants([0.5, 0.4, 0.5], None), "gives a mean without a std."),
    "words": (
        constants("imagenet", 0.5),
        "must give a mean and a std in numbers, and gives 'imagenet' and 0.5.",
    ),
}


@pytest.mark.parametrize(("settings", "sentence"), FAULTS.values(), ids=FAULTS)
def test_contradictions_within_a_processor(settings, sentence, folder):
    where = folder(preprocessor_config=settings, config={"num_channels": 3})
    (found,) = claims(str(where)).contradictions
    assert found.replace("json: ", "json ") == f"preprocessor_config.json {sentence}"


@pytest.mark.parametrize(
    "settings",
    [
        constants([0.5] * 3, [0.5] * 3),
        constants(IMAGENET.mean, IMAGENET.std, rescale_factor=0.0039215686),
        constants([1.0] * 3, [1.0] * 3, rescale_factor=1 / 127.5),
        constants([127.5] * 3, [127.5] * 3, do_rescale=False),
        {"do_rescale": True},
    ],
)
def test_processors_without_contradictions(settings, folder):
    found = claims(str(folder(preprocessor_config=settings)))
    assert found.contradictions == ()
    (claim,) = found.claims
    assert claim.normalization in {
        NONE, Normalization([0.5] * 3, [0.5] * 3), IMAGENET,
    }  # fmt: skip


def timm_config(mean, std, **more):
    settings = {"mean": mean, "std": std, "input_size": [3, 160, 160], "crop_pct": 0.95, **more}
    return {"architecture": "test_vit", "num_classes": 2, "pretrained_cfg": settings}


def test_a_folder_of_timm_s(folder):
    where = folder(config=timm_config(HALF.mean * 3, HALF.std * 3, interpolation="bicubic"))
    (claim,) = claims(str(where)).claims
    assert claim.source == "config.json, pretrained_cfg"
    assert claim.normalization == Normalization([0.5] * 3, [0.5] * 3)
    assert (claim.resize, claim.crop, claim.interpolation) == (168, 160, "bicubic")
    # The old form is flat.
    flat = {"architecture": "resnet18", "mean": [0.1] * 3, "std": [0.2] * 3}
    (claim,) = claims(str(folder(config=flat))).claims
    assert claim.normalization == Normalization([0.1] * 3, [0.2] * 3)


def test_claims_that_differ(folder):
    where = folder(
        config=timm_config(IMAGENET.mean, IMAGENET.std),
        preprocessor_config=constants([0.5] * 3, [0.5] * 3),
    )
    found = claims(str(where))
    assert [claim.source for claim in found.claims] == [
        "preprocessor_config.json", "config.json, pretrained_cfg",
    ]  # fmt: skip
    assert found.contradictions == (
        (
            "preprocessor_config.json says 0.5,0.5,0.5/0.5,0.5,0.5, config.json, pretrained_cfg "
            "says 0.485,0.456,0.406/0.229,0.224,0.225."
        ),
    )


def test_a_processor_beside_an_onnx_file_that_normalizes_itself(folder):
    pytest.importorskip("onnx")
    from tests.models.test_claims import f32, per_channel, save_graph, step

    where = folder(preprocessor_config=constants(IMAGENET.mean, IMAGENET.std))
    imagenet = [
        step("Sub", None, per_channel(IMAGENET.mean)), step("Div", None, per_channel(IMAGENET.std))
    ]  # fmt: skip
    path = save_graph(where / "x.onnx", [step("Div", None, f32(255))])
    again = "preprocessor_config.json says 0.485,0.456,0.406/0.229,0.224,0.225 in front of it."
    assert claims(path).contradictions == (f"x.onnx, Div already divides by 255, and {again}",)
    path = save_graph(where / "y.onnx", imagenet)
    assert claims(path).contradictions == (
        f"y.onnx, Sub, Div already normalizes by 0.485,0.456,0.406/0.229,0.224,0.225, and {again}",
    )
    # What the user names comes before what lies beside.
    other = where / "other.json"
    other.write_text(json.dumps({"do_rescale": True}), encoding="utf-8")
    found = claims(path, processor=other)
    assert [claim.source for claim in found.claims] == [
        "y.onnx, Sub, Div", "other.json", "preprocessor_config.json",
    ]  # fmt: skip
    assert found.inside is found.claims[0]
    assert found.outside is found.claims[0]
    assert found.to_json()["claims"][0]["takes"] == {"mean": 0.0, "std": 1.0}


def test_the_library_of_a_name_and_the_metadata_of_its_weights(tmp_path):
    from safetensors.numpy import save_file

    (claim,) = claims("squeezenet1_1").claims
    assert claim.source == "torchvision's SqueezeNet1_1_Weights.IMAGENET1K_V1"
    assert (claim.normalization, claim.resize, claim.crop) == (IMAGENET, 256, 224)
    file = tmp_path / "w.safetensors"
    save_file({"x": np.zeros(1)}, file, metadata={"mean": "[0.5]", "std": "[0.5]"})
    found = claims("squeezenet1_1", weights=file)
    assert [c.source for c in found.claims] == ["w.safetensors, metadata", claim.source]
    assert [c.of_others for c in found.claims] == [False, True]
    assert len(found.contradictions) == 1
    assert claims("resnet20").claims == ()


def test_timm_by_name():
    pytest.importorskip("timm")
    (claim,) = claims("timm/vit_base_patch16_224.augreg_in21k_ft_in1k").claims
    assert claim.source == "timm's pretrained_cfg of vit_base_patch16_224.augreg_in21k_ft_in1k"
    assert claim.normalization == Normalization([0.5] * 3, [0.5] * 3)
    # timm's own transform floors: 224 / 0.9 is 248.9.
    assert (claim.resize, claim.crop) == (248, 224)


def test_a_timm_folder_through_hf_and_by_its_path(tmp_path):
    timm = pytest.importorskip("timm")
    model = timm.create_model("test_vit", num_classes=2)
    said = {"pretrained_cfg": {"mean": [0.1] * 3, "std": [0.3] * 3}}
    timm.models.save_for_hf(model, tmp_path, model_config=said, safe_serialization=True)
    for name in (f"hf/{tmp_path}", str(tmp_path)):
        assert published(name).normalization == Normalization([0.1] * 3, [0.3] * 3)
        assert claims(name).claims[0].normalization == Normalization([0.1] * 3, [0.3] * 3)


def test_a_processor_that_is_not_there(tmp_path):
    with pytest.raises(NormscopeError) as met:
        claims("resnet20", processor=tmp_path)
    assert str(met.value) == (
        f"--processor must be a folder or file of an image processor, got {tmp_path}, which holds "
        "no preprocessor_config.json. Check the path."
    )
    broken = tmp_path / "preprocessor_config.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(NormscopeError, match="must be JSON, got: Expecting property name"):
        claims("resnet20", processor=tmp_path)


def test_settings_without_the_library(monkeypatch):
    claim = processor_claim(
        {"image_processor_type": "EfficientNetImageProcessor", "image_mean": [0.1] * 3,
         "image_std": [0.5] * 3, "include_top": True, "rescale_factor": 1 / 127.5,
         "rescale_offset": True}, "x",
    )  # fmt: skip
    # ((x 255 / 127.5 - 1) - 0.1) / 0.5 / 0.5
    assert claim.normalization == Normalization([0.55] * 3, [0.125] * 3)


def test_a_repository_of_timm_s_by_its_hub_name(tmp_path, monkeypatch):
    timm = pytest.importorskip("timm")
    config = timm_config([0.1] * 3, [0.3] * 3, label_names=["a", "b"])

    def from_hub(name):
        assert name == "somebody/net"
        return config["pretrained_cfg"], "test_vit", {}

    monkeypatch.setattr(timm.models, "load_model_config_from_hf", from_hub)
    said = published("timm/hf-hub:somebody/net")
    assert said.normalization == Normalization([0.1] * 3, [0.3] * 3)
    assert said.classes == ("a", "b")
    (claim,) = claims("timm/hf-hub:somebody/net").claims
    assert claim.source == "timm's pretrained_cfg of somebody/net"


def test_layers_that_read_each_other_in_a_circle(tmp_path):
    def layer(kind, name, *read):
        nodes = [{"args": [{"config": {}, "keras_history": [r, 0, 0]} for r in read]}]
        config = {"name": name, "batch_shape": [None, 4, 4, 3], "scale": 2, "offset": 0}
        return {"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes}

    layers = [layer("InputLayer", "a", "c"), layer("Rescaling", "b", "a")]
    layers.append(layer("Rescaling", "c", "b"))
    config = {"class_name": "Functional", "config": {"layers": layers}}
    path = tmp_path / "x.keras"
    for written in (config, {"class_name": "Sequential", "config": []}):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(written))
        if written is config:
            assert len(claims(str(path)).claims) == 1
    with pytest.raises(NormscopeError, match="must be a file that Keras 3 saved, got Attribute"):
        claims(str(path))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (10, 97, "NotImplementedError: That compression method is not supported. Save it again."),
        (8, 1, "RuntimeError: File <ZipInfo filename='config.json'"),
    ],
)
def test_keras_archives_that_are_packed_unusually_or_locked(tmp_path, place, value, said):
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    packed = bytearray(path.read_bytes())
    # In the local header fields lie two bytes before their place in the directory's.
    for header in (packed.index(b"PK\x03\x04") - 2, packed.index(b"PK\x01\x02")):
        packed[header + place] = value
    path.write_bytes(packed)
    with pytest.raises(NormscopeError) as met:
        claims(str(path))
    assert str(met.value).startswith(f"{path} must be a file that Keras 3 saved, got {said}")
