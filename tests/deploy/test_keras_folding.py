"""Folding Keras files, against normalizing first and the network itself."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
layers = keras.layers

from normscope.cli.app import run  # noqa: E402
from normscope.deploy.options import FoldOptions  # noqa: E402
from normscope.deploy.shipping import ship  # noqa: E402
from normscope.errors import NormscopeError  # noqa: E402
from normscope.models.files.image_input import TAKES  # noqa: E402
from normscope.models.files.keras_file import read_keras  # noqa: E402
from tests.deploy.refusals import said  # noqa: E402

# Keras hands torch's tensors to NumPy when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MEAN, STD = np.array([0.485, 0.456, 0.406, 0.3]), np.array([0.229, 0.224, 0.225, 0.2])


def written(path, *first, shape=(12, 12, 3), **more):
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input(shape, **more), *first, layers.ReLU(), layers.Flatten(),
            layers.Dense(4, bias_initializer="normal"),
        ]
    )  # fmt: skip
    for variable in network.weights:  # biases too
        if "mean" not in variable.path and "variance" not in variable.path:
            variable.assign(variable + 0.05 * keras.random.normal(variable.shape, seed=1))
    network.save(path)
    return network


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


def folded(path, channels, **more):
    norm = "/".join(",".join(map(str, v[:channels])) for v in (MEAN, STD))
    out = path.with_name("raw.keras")
    shipped = ship(FoldOptions(str(path), out=out, **{"norm": norm, **more}))
    return shipped, keras.saving.load_model(out)


def outputs(network, images):
    return network(images, training=False).detach().cpu().numpy()


def assert_folds(path, network, channels=3, axis=-1):
    shipped, new = folded(path, channels)
    raw = pixels(3, *network.inputs[0].shape[1:])
    shape = np.ones(3, int)
    shape[axis] = channels
    mean, std = (v[:channels].reshape(shape) for v in (MEAN, STD))
    expected = outputs(network, ((raw / 255 - mean) / std).astype("float32"))
    assert expected.std() > 0
    np.testing.assert_allclose(outputs(new, raw), expected, rtol=1e-4, atol=2e-5)
    return shipped, new


@pytest.mark.parametrize(
    ("first", "subtracts"),
    [
        (lambda: [layers.Conv2D(4, 3, activation="relu")], False),
        (lambda: [layers.Conv2D(4, 3, use_bias=False)], True),
        (lambda: [layers.Conv2D(4, 3, strides=2, padding="same")], True),
        (lambda: [layers.ZeroPadding2D(((0, 1), (2, 0))), layers.Conv2D(4, 3)], True),
        (lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2)], False),
        (lambda: [layers.SeparableConv2D(4, 3, padding="same")], True),
        (lambda: [layers.SeparableConv2D(4, 3)], True),
        (lambda: [layers.Flatten(), layers.Dense(5)], False),
        (lambda: [layers.Dense(5)], False),
        (lambda: [layers.CenterCrop(8, 9), layers.Dropout(0.5), layers.Conv2D(4, 3)], False),
    ],
)
def test_raw_pixels_give_what_normalized_ones_gave(tmp_path, first, subtracts):
    network = written(tmp_path / "x.keras", *first())
    shipped, _ = assert_folds(tmp_path / "x.keras", network)
    assert (shipped.folded.subtracted is not None) == subtracts
    assert shipped.differences.first_layer < 1e-5
    assert {p.name for p in tmp_path.iterdir()} == {"x.keras", "raw.keras"}


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_other_numbers_of_channels(tmp_path, channels, padding):
    first = layers.Conv2D(4, 3, padding=padding)
    network = written(tmp_path / "x.keras", first, shape=(12, 12, channels))
    assert_folds(tmp_path / "x.keras", network, channels)


def test_channels_first(tmp_path):
    first = layers.Conv2D(4, 3, padding="same", data_format="channels_first")
    network = written(tmp_path / "x.keras", first, shape=(3, 12, 12))
    assert_folds(tmp_path / "x.keras", network, axis=0)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_mixed_precision(tmp_path, padding):
    first = layers.Conv2D(4, 3, padding=padding, dtype="mixed_float16", name="stem")
    network = written(tmp_path / "x.keras", first)
    shipped, new = folded(tmp_path / "x.keras", 3)
    raw = pixels(3, 12, 12, 3)
    expected = outputs(network, ((raw / 255 - MEAN[:3]) / STD[:3]).astype("float32"))
    np.testing.assert_allclose(outputs(new, raw), expected, atol=0.01)
    assert new.get_layer("stem") if padding == "valid" else new.layers[-1].get_layer("stem")
    assert shipped.differences.first_layer < 0.01


def test_names_flags_and_fixed_batches_stay(tmp_path):
    first = layers.Conv2D(4, 3, padding="same", name="stem")
    network = written(tmp_path / "x.keras", first, name="photographs", batch_size=3)
    network.layers[0].trainable = False
    network.save(tmp_path / "x.keras")
    shipped, new = assert_folds(tmp_path / "x.keras", network)
    assert list(shipped.folded.changes) == ["stem"]
    assert new.inputs[0].name == "photographs"
    assert new.inputs[0].shape == (3, 12, 12, 3)
    inner = [layer for layer in new._flatten_layers() if layer.weights and layer is not new]
    assert {layer.name for layer in inner if not layer.trainable} == {"stem"}


def nested(path, *first):
    inner = keras.Sequential([keras.Input((12, 12, 3)), *first, layers.Conv2D(4, 3)])
    images = keras.Input((12, 12, 3))
    x = layers.Flatten()(inner(images))
    network = keras.Model(images, layers.Dense(3)(x))
    network.save(path)
    return network


def test_a_model_in_a_model(tmp_path):
    network = nested(tmp_path / "x.keras")
    assert_folds(tmp_path / "x.keras", network)


def adapted(invert=False):
    layer = layers.Normalization(invert=invert, name="own")
    layer.adapt(np.random.default_rng(1).normal(3, 2, (50, 12, 12, 3)))
    return layer


@pytest.mark.parametrize(
    ("own", "inside"),
    [
        (lambda: layers.Rescaling(1 / 127.5, offset=-1, name="own"), False),
        (lambda: layers.Rescaling([1.0, 2.0, 3.0], offset=[0.1, 0.2, 0.3], name="own"), True),
        (lambda: layers.Normalization(mean=0.5, variance=0.25, name="own"), False),
        (lambda: layers.Normalization(mean=[1, 2, 3], variance=[4.0, 5.0, 6.0], name="own"), False),
        (adapted, False),
        (adapted, True),
    ],
)
def test_a_layer_that_normalizes_does_both(tmp_path, own, inside):
    path = tmp_path / "x.keras"
    if inside:
        network = nested(path, own())
    else:
        network = written(path, own(), layers.Conv2D(4, 3, padding="same"))
    shipped, new = assert_folds(path, network)
    assert list(shipped.folded.changes) == ["own"]
    assert shipped.notes[0].endswith("of its input, and does both now.")
    kinds = [type(layer).__name__ for layer in new._flatten_layers()]
    assert sum(kind in {"Rescaling", "Normalization"} for kind in kinds) == 1


def test_a_file_that_normalizes_already(tmp_path, capsys):
    path, out = tmp_path / "x.keras", tmp_path / "raw.keras"
    written(path, layers.Rescaling(1 / 127.5, offset=-1, name="own"), layers.Conv2D(4, 3))
    assert said(capsys, path, "--norm", "half", "-o", out) == (
        f"the graph already normalizes: {path} applies 0.5/0.5 itself to pixels of 0..255 "
        "(Rescaling 'own'), so that --norm half in front of it would do it twice. Give what is "
        "applied before the file: --norm 0/0.00392156862745098."
    )
    assert not out.exists()
    assert run(["fold", str(path), "--norm", "0/0.00392156862745098", "-o", str(out)]) == 0


def two_readers():
    images = keras.Input((12, 12, 3))
    both = [layers.Conv2D(4, 3)(images), layers.Conv2D(4, 3)(images)]
    return keras.Model(images, layers.Flatten()(layers.Add()(both)))


def shared():
    images = keras.Input((12, 12, 3))
    layer = layers.Conv2D(3, 3)
    return keras.Model(images, layers.Flatten()(layer(layer(images))))


def inverted():
    images = keras.Input((12, 12, 3))
    return keras.Model(images, layers.Flatten()(adapted(invert=True)(images)))


def mixed():
    images = keras.Input((12, 12, 3))
    x = layers.Normalization(axis=(1, 2, 3), name="own")(images)
    return keras.Model(images, layers.Flatten()(layers.Conv2D(3, 3)(x)))


@pytest.mark.parametrize(
    ("build", "met"),
    [
        (two_readers, "2 operations do, where a file may have one (convolution, convolution)"),
        (shared, "the weights of its first layer are computed while it runs, or shared"),
        (inverted, "own (Normalization) is inverted"),
        (mixed, "own (Normalization) treats pixels by their place"),
    ],
)
def test_no_exact_fold(tmp_path, capsys, build, met):
    build().save(tmp_path / "x.keras")
    assert said(capsys, tmp_path / "x.keras", "--norm", "half", "-o", tmp_path / "raw.keras") == (
        "only convolutions, linear layers and BatchNorms whose weights can be changed may read the "
        f"pixels, for an exact fold; here {met}. Keep the normalization outside the model."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["x.keras"]


def test_a_folded_file_says_what_it_takes(tmp_path):
    written(tmp_path / "x.keras", layers.Conv2D(4, 3))
    folded(tmp_path / "x.keras", 3)
    raw = tmp_path / "raw.keras"
    with pytest.raises(NormscopeError) as met:
        read_keras(raw)
    assert f"{raw} must take floats, normalized pixels, got the input " in str(met.value)
    assert "of uint8: raw pixels, so that its normalization lies inside it. " in str(met.value)
    with zipfile.ZipFile(raw) as archive:
        assert archive.read(TAKES) == b"uint8"
    folded(tmp_path / "x.keras", 3, to="half")
    read_keras(raw)


def test_only_a_keras_file_comes_of_one(tmp_path, capsys):
    written(tmp_path / "x.keras", layers.Conv2D(4, 3))
    out = tmp_path / "raw.pt2"
    assert said(capsys, tmp_path / "x.keras", "--norm", "half", "-o", out) == (
        f"--out must end in .keras, since the program of {tmp_path / 'x.keras'} is folded as it "
        f"is, got {out}. Choose another name."
    )
