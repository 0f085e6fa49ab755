"""``.pt2`` and TorchScript files."""

import io
import json
import pickle
import warnings
import zipfile

import pytest
import torch
from torch import nn

from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.models.files.naming import names_file, names_program
from normscope.models.weights import read_weights
from tests.models.files.networks import (
    SIZES,
    built,
    changed,
    small_network,
    some_images,
    write_program,
    write_script,
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return write_program(
        small_network(), tmp_path_factory.mktemp("program") / "n.pt2", some_images()
    )


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    return write_script(small_network(), tmp_path_factory.mktemp("script") / "n.pt")


def test_a_program_gives_what_its_network_gives(program):
    network = built(program)
    torch.testing.assert_close(network(some_images()), small_network()(some_images()))
    assert not network.train().training
    moved = network.to("cpu", torch.bfloat16)
    torch.testing.assert_close(moved(some_images()), small_network()(some_images()))


@pytest.mark.parametrize("name", ["n.pt", "n.ts", "n.torchscript", "model.bin"])
def test_torchscript_by_its_content_without_warnings(script, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(script.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = built(path)
        torch.testing.assert_close(network(some_images()), small_network()(some_images()))


def test_a_fixed_batch(tmp_path):
    images = some_images(2)
    torch.export.save(torch.export.export(small_network(), (images,)), tmp_path / "n.pt2")
    given = some_images(5)
    torch.testing.assert_close(built(tmp_path / "n.pt2")(given), small_network()(given))


def test_a_batch_within_bounds(tmp_path):
    shapes = ({0: torch.export.Dim("batch", min=4, max=6)},)
    program = torch.export.export(small_network(), (some_images(4),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "n.pt2")
    for count in (1, 5, 8):
        given = some_images(count)
        torch.testing.assert_close(built(tmp_path / "n.pt2")(given), small_network()(given))


def test_what_a_path_is():
    paths = ["n.onnx", "a/n.PT2", "./folder", "/a/b", "~/n.pt", "a/folder", "c:x.keras"]
    assert all(map(names_file, paths))
    names = ["resnet18", "timm/resnet18.a1_in1k", "hf/microsoft/resnet-18", "package.module:make"]
    assert not any(map(names_file, [*names, "timm/hf-hub:timm/resnet18.a1_in1k"]))
    assert names_program("n.onnx")
    assert not names_program("/")


@pytest.mark.parametrize("kind", ["program", "script"])
def test_programs_as_weights(kind, request):
    path = request.getfixturevalue(kind)
    said = {"program": "torch.export", "script": "TorchScript"}[kind]
    with pytest.raises(NormscopeError) as met:
        read_weights(path)
    assert str(met.value) == (
        f"--weights must be a file of tensors, got {path}, a whole {said} model. Give it as the "
        "model itself, without --weights."
    )


def test_weights_as_a_model(tmp_path):
    path = tmp_path / "w.pt"
    torch.save(small_network().state_dict(), path)
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == (
        f"a model must hold its network, got {path}, which holds weights alone or a pickle, which "
        f"is not opened. Name the network and pass --weights {path}, or export it."
    )


def test_a_file_with_other_weights(program):
    from normscope.models.options import ModelOptions

    with pytest.raises(NormscopeError) as met:
        build_model(str(program), **SIZES, options=ModelOptions("w.pt"))
    assert str(met.value) == (
        f"--weights must be used with a model's name, got {program}, which brings its own. Leave "
        "it out."
    )


class Several(nn.Module):
    def forward(self, images, other):
        return images.mean(dim=(2, 3)) + other


class Two(nn.Module):
    def forward(self, images):
        return images.mean(dim=(2, 3)), images.sum(dim=(2, 3))


class Saving(nn.Module):
    def forward(self, images):
        torch.save(images, "/tmp/written")
        return images


@pytest.mark.parametrize(
    ("network", "given", "sentence"),
    [
        (
            Several(), (some_images(), torch.ones(3, 3)),
            "{} must have one input, a batch of images, got 2 (images, other). Export the part of "
            "it that takes images alone.",
        ),
        (
            nn.Embedding(10, 4), (torch.zeros(1, 3, 16, 16, dtype=torch.int64),),
            "{} must take floats, normalized pixels, got the input input of int64: no normalized "
            "pixels. Export the network without what stands in front of it.",
        ),
        (
            nn.Linear(80, 4), (torch.zeros(1, 7, 80),),
            "{} must take images of shape (N, C, H, W) or (N, H, W, C), got the input input of "
            "1 x 7 x 80. Choose a model of images.",
        ),
    ],
)  # fmt: skip
def test_programs_that_are_no_networks_of_images(tmp_path, network, given, sentence):
    path = tmp_path / "n.pt2"
    torch.export.save(torch.export.export(network, given), path)
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == sentence.format(path)


def test_scripts_that_are_no_networks_of_images(tmp_path):
    two = write_script(Two(), tmp_path / "two.pt")
    with pytest.raises(NormscopeError) as met:
        built(two)(some_images())
    assert str(met.value) == (
        f"{two} must have one output, shape (N, classes), got 2. Give the classes' alone."
    )
    several = write_script(Several(), tmp_path / "several.pt")
    with pytest.raises(NormscopeError, match="must have one input, a batch of images, got 2 "):
        built(several)
    with pytest.raises(NormscopeError) as met:
        built(write_script(small_network(), tmp_path / "n.pt"))(some_images(channels=4))
    assert str(met.value).startswith(
        f"{tmp_path / 'n.pt'} must take images of shape (3, 4, 16, 16), got: "
    )


def test_a_script_that_writes_files(tmp_path):
    path = write_script(Saving(), tmp_path / "n.pt")
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == (
        f"{path} must use operators of torch that touch no files, got aten::save. Export it "
        "without."
    )


class Run:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def replaced(member, old, new):
    def change(name, content):
        return content.replace(old, new) if name.endswith(member) else content

    return change


@pytest.mark.parametrize(
    ("change", "met_", "advice"),
    [
        (
            replaced("models/model.json", b"torch.ops.aten.relu.default", b"torch.os.system"),
            "the operator torch.os.system", "with torch's own operators",
        ),
        (
            replaced("models/model.json", b"aten.relu.default", b"aten.from_file.default"),
            "the operator torch.ops.aten.from_file.default", "with torch's own operators",
        ),
        (
            replaced("models/model.json", b'"input"', b'"input=exit()"'),
            "the name 'input=exit()'", "with plain names",
        ),
        (
            replaced(
                "models/model.json", b'"expr_str": "Symbol(\'s', b'"expr_str": "exit(\'s'
            ),
            "the length \"exit('s", "with plain lengths",
        ),
        (
            replaced("weights_config.json", b'"use_pickle": false', b'"use_pickle": true'),
            "a pickle for 0.weight", "with plain tensors alone",
        ),
    ],
)  # fmt: skip
def test_programs_that_would_run_code(program, tmp_path, change, met_, advice):
    path = changed(program, tmp_path / "n.pt2", change)
    with pytest.raises(NormscopeError) as met:
        built(path)
    start = f"{path} must be read without running code of others, got {met_}"
    assert str(met.value).startswith(start)
    assert str(met.value).endswith(f". Export it {advice}.")


def test_nothing_is_unpickled(program, tmp_path):
    marker = tmp_path / "was_run"
    pickled = io.BytesIO()
    torch.save(Run(marker), pickled)

    def change(name, content):
        return pickled.getvalue() if "sample_inputs" in name else content

    with pytest.raises(NormscopeError, match="must be read without running code of others, got a"):
        built(changed(program, tmp_path / "n.pt2", change))
    (tmp_path / "whole.pt").write_bytes(pickle.dumps(Run(marker)))
    with pytest.raises(NormscopeError, match="holds weights alone or a pickle, which is not open"):
        built(tmp_path / "whole.pt")
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pt2", ".keras", ".pt"])
def test_archives_that_unpack_into_far_more(tmp_path, suffix):
    path = tmp_path / f"bomb{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("n/models/model.json", "n/constants.pkl")[suffix == ".pt" :][:1]:
            archive.writestr("config.json" if suffix == ".keras" else name, json.dumps({}))
        archive.writestr("model.weights.h5", bytes(50_000_000))
    with pytest.raises(NormscopeError) as met:
        built(path)
    size = path.stat().st_size
    assert str(met.value) == (
        f"{path} must unpack into at most 200 times its {size:,} bytes and 17,179,869,184 in all, "
        "got 50,000,002 in 2 members. Fetch it from its source again."
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cut.pt2", "{} must be a whole .pt2 file, got something else. Fetch it again."),
        ("cut.keras", "{} must be a whole .keras file, got something else. Fetch it again."),
        (
            "cut.ts",
            "a model's file must be .onnx, .pt2, TorchScript, .keras, or a Hugging Face or "
            "timm folder with config.json, got {}. Export the network as one of these.",
        ),
    ],
)
def test_cut_files(program, tmp_path, name, sentence):
    path = tmp_path / name
    path.write_bytes(program.read_bytes()[:20_000])
    with pytest.raises(NormscopeError) as met:
        built(path)
    assert str(met.value) == sentence.format(path)


def test_nothing_there(tmp_path):
    with pytest.raises(NormscopeError) as met:
        built(tmp_path / "none.pt2")
    assert str(met.value) == (
        f"a model's file must be readable, got {tmp_path / 'none.pt2'}: No such file or "
        "directory. Check the path."
    )
