import io
import json
import os
import zipfile

import numpy as np
import pytest
import torch

from normscope.errors import NormscopeError
from tests.models.files.networks import built, changed, some_images

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

# Keras hands torch's tensors to NumPy when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def small_network(*first, shape=(16, 16, 3), **more):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape, **more), *first, layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(), layers.GlobalAveragePooling2D(), layers.Dense(4),
        ]
    )  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "n.keras"
    network = small_network()
    network.save(path)
    return path, network


@pytest.mark.parametrize("batch", [None, 2])
def test_it_gives_what_keras_gives_for_permuted_images(tmp_path, batch):
    images = some_images()
    network = small_network(batch_size=batch)
    network.save(tmp_path / "n.keras")
    last = images.permute(0, 2, 3, 1).contiguous()
    parts = [last] if batch is None else [last[:2], last[1:]]
    expected = torch.cat([network(part, training=False) for part in parts])
    found = built(tmp_path / "n.keras")(images)
    expected = expected if batch is None else expected[[0, 1, 3]]
    torch.testing.assert_close(found, expected.detach().cpu())


def with_configuration(source, path, old, new):
    def change(name, content):
        return content.replace(old, new) if name == "config.json" else content

    return changed(source, path, change)


def test_code_in_it(tmp_path, saved):
    path = tmp_path / "n.keras"
    small_network(keras.layers.Lambda(lambda x: x / 2)).save(path)
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == (
        f"{path} must hold layers of Keras without code of others, got Lambda. Build it again "
        "without that layer."
    )
    module = b'"module": "keras.layers", "class_name": "Conv2D"'
    for theirs in (b'"module": "os", "class_name": "Conv2D"',):
        with_configuration(saved[0], path, module, theirs)
        with pytest.raises(NormscopeError, match="without code of others, got Conv2D. Build it"):
            built(path)


def test_layers_larger_than_their_weights(tmp_path, saved):
    path = tmp_path / "n.keras"
    with_configuration(saved[0], path, b'"units": 4', b'"units": 40000000000')
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == (
        f"{path} must store the 200,000,000,128 weights that its layers have, got 148. Fetch it "
        "again."
    )


def weights_of(write):
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        write(file)
    return held.getvalue()


@pytest.mark.parametrize(
    ("write", "met_"),
    [
        (lambda f: f.create_dataset("w", (10**6, 10**6), "f4"), "4,000,000,000,000 bytes in "),
        (lambda f: f.__setitem__("w", h5py.ExternalLink("o.h5", "/w")), "a link in w."),
        (
            lambda f: f.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)]),
            "w in another file.",
        ),
    ],
)
def test_weights_that_are_not_in_it(tmp_path, saved, write, met_):
    def change(name, content):
        return weights_of(write) if name.endswith(".h5") else content

    path = changed(saved[0], tmp_path / "n.keras", change)
    with pytest.raises(NormscopeError) as met:
        built(path)
    start = f"the weights of {path} must lie in it as they are, got {met_}"
    assert str(met.value).startswith(start)
    assert str(met.value).endswith(" Fetch the file from its source again.")


def test_what_is_no_network_of_images(tmp_path):
    path = tmp_path / "n.keras"
    keras.Sequential([keras.Input((80,)), keras.layers.Dense(4)]).save(path)
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value).startswith(
        f"{path} must take images of shape (N, C, H, W) or (N, H, W, C), got the input "
    )
    one = keras.Input((16, 16, 3))
    flat = keras.layers.Flatten()(one)
    outputs = [keras.layers.Dense(2, name=name)(flat) for name in ("a", "b")]
    keras.Model(one, outputs).save(path)
    with pytest.raises(NormscopeError, match="must have one output, shape \\(N, classes\\), got 2"):
        built(path)


def test_content_that_is_cut(tmp_path, saved):
    def change(name, content):
        return content[:100]

    path = changed(saved[0], tmp_path / "n.keras", change)
    with pytest.raises(NormscopeError, match="must be a whole .keras file, got: .*Fetch it again"):
        built(path)


def test_without_its_extra(saved, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(NormscopeError) as met:
        built(saved[0])
    assert str(met.value) == (
        f"keras must be installed for {saved[0]}, got none. Run: pip install 'normscope[keras]'"
    )


def test_another_backend(saved, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NormscopeError) as met:
        built(saved[0])
    assert str(met.value) == (
        f"keras must run on torch to read {saved[0]}, got the backend jax. Set "
        "KERAS_BACKEND=torch before keras is imported."
    )


def test_configurations_are_json(saved):
    with zipfile.ZipFile(saved[0]) as archive:
        assert json.loads(archive.read("config.json"))["class_name"] == "Sequential"
    assert np.isfinite(built(saved[0])(some_images()).numpy()).all()
