from __future__ import annotations

import json
import sys

import pytest
import torch

import normscope
from normscope.deploy.comparing import as_taken, normalized, some_images
from normscope.deploy.folding import fold
from normscope.deploy.saving import Built, check_suffix, save_folded
from normscope.errors import NormscopeError
from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.normalization import IMAGENET, Normalization

SIZE = (32, 32)


@pytest.fixture(scope="module")
def original():
    torch.manual_seed(0)
    return build_model("resnet20", channels=3, classes=10, image_size=SIZE).eval()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt2", ".onnx"])
@pytest.mark.parametrize("to", ["uint8", "half"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_file_read_back_gives_the_same_outputs_for_any_number_of_images(
    tmp_path, original, suffix, to
):
    folded = fold(original, IMAGENET, to=to, image_size=SIZE)
    run = save_folded(folded, tmp_path / f"raw{suffix}", Built("resnet20", 10))
    for images in (some_images(3, SIZE), some_images(3, SIZE)[2:3]):
        with torch.no_grad():
            expected = original(normalized(images.float() / 255, IMAGENET))
        found = run(as_taken(folded, images, torch.float32))
        assert expected.std() > 0
        assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_weights_are_loaded_by_name_in_another_process_s_place(tmp_path, original):
    path = tmp_path / "raw.safetensors"
    folded = fold(original, IMAGENET, image_size=SIZE)
    save_folded(folded, path, Built("resnet20", 10))
    plan = json.loads((tmp_path / "raw.json").read_text())
    assert plan["takes"] == "uint8"
    assert plan["wrapper"] == "normscope.load_folded"
    images = some_images(3, SIZE)
    with torch.no_grad():
        assert torch.equal(normscope.load_folded(path)(images), folded.model(images))


def test_folded_weights_are_not_taken_for_those_before(tmp_path):
    # SqueezeNet pads nowhere in front, so that the names of its weights stay.
    path = tmp_path / "raw.safetensors"
    network = build_model("squeezenet1_1", channels=3, classes=5, image_size=SIZE).eval()
    save_folded(fold(network, IMAGENET, image_size=SIZE), path, Built("squeezenet1_1", 5))
    options = ModelOptions(str(path))
    with pytest.raises(NormscopeError) as error:
        build_model("squeezenet1_1", channels=3, classes=5, image_size=SIZE, options=options)
    assert str(error.value) == (
        f"--weights must be those before a fold, got {path}, into which normscope fold has put a "
        "normalization. Give the weights that were folded, or open it with "
        f"normscope.load_folded('{path}')."
    )


def test_weights_and_plan_of_two_folds_are_refused(tmp_path, original):
    # As a process leaves them that is killed between the two files.
    path = tmp_path / "raw.safetensors"
    save_folded(fold(original, IMAGENET, image_size=SIZE), path, Built("resnet20", 10))
    plan, halves = (tmp_path / "raw.json").read_text(), Normalization([0.5] * 3, [0.5] * 3)
    save_folded(fold(original, halves, image_size=SIZE), path, Built("resnet20", 10))
    (tmp_path / "raw.json").write_text(plan)
    with pytest.raises(NormscopeError) as error:
        normscope.load_folded(path)
    assert str(error.value) == (
        f"{path} must be the weights that the plan beside it was written with, got others, as "
        "after a fold that was killed. Fold again."
    )


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (None, "must be the plan that normscope fold wrote"),
        ("{", "JSONDecodeError"),
        ("{}", "KeyError: 'built'"),
        ("other", "must fit the plan beside them"),
    ],
)
def test_a_plan_that_is_missing_broken_or_another_s(tmp_path, original, plan, said):
    path = tmp_path / "raw.safetensors"
    save_folded(fold(original, IMAGENET, image_size=SIZE), path, Built("resnet20", 10))
    beside = tmp_path / "raw.json"
    if plan == "other":
        theirs = {"built": {"name": "lenet", "outputs": 10}}
        plan = json.dumps(json.loads(beside.read_text()) | theirs)
    beside.unlink()
    if plan is not None:
        beside.write_text(plan)
    with pytest.raises(NormscopeError, match=said):
        normscope.load_folded(path)


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A module that leaves a mark where it is imported, and builds a network all the same."""
    (tmp_path / "stranger.py").write_text(
        "from pathlib import Path\n"
        "from normscope.models.resnet20 import ResNet20\n"
        f"Path({str(tmp_path / 'was_run')!r}).touch()\n"
        "def net(channels, classes):\n"
        "    return ResNet20(channels, classes)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "stranger", raising=False)
    return tmp_path / "was_run"


@pytest.mark.parametrize("named", [None, "another:net"])
def test_a_plan_cannot_choose_code(tmp_path, original, stranger, named):
    path = tmp_path / "raw.safetensors"
    save_folded(fold(original, IMAGENET, image_size=SIZE), path, Built("resnet20", 10))
    beside = tmp_path / "raw.json"
    theirs = {"built": {"name": "stranger:net", "outputs": 10}}
    beside.write_text(json.dumps(json.loads(beside.read_text()) | theirs))
    with pytest.raises(NormscopeError) as error:
        normscope.load_folded(path, model=named)
    assert str(error.value) == (
        f"the factory that {beside} names must also be named by the caller before it is imported "
        f"and run, got stranger:net in the file and {named or 'none'} from the caller. If you "
        "trust it, pass model='stranger:net'."
    )
    assert not stranger.exists()
    assert normscope.load_folded(path, model="stranger:net").dtype == torch.float32
    assert stranger.exists()


def test_a_plan_of_another_model_than_the_caller_s(tmp_path, original):
    path = tmp_path / "raw.safetensors"
    save_folded(fold(original, IMAGENET, image_size=SIZE), path, Built("resnet20", 10))
    normscope.load_folded(path, model="resnet20")
    with pytest.raises(NormscopeError) as error:
        normscope.load_folded(path, model="lenet")
    assert str(error.value) == (
        f"the model must be the one that {tmp_path / 'raw.json'} names, resnet20, got lenet. "
        "Leave it out."
    )


def test_a_folded_factory_is_read_back_where_it_was_saved(tmp_path, stranger):
    model = build_model("stranger:net", channels=3, classes=10, image_size=SIZE).eval()
    folded = fold(model, IMAGENET, image_size=SIZE)
    run = save_folded(folded, tmp_path / "raw.safetensors", Built("stranger:net", 10))
    images = some_images(3, SIZE)
    with torch.no_grad():
        assert torch.equal(run(images), folded.model(images))


def test_a_name_says_the_format(tmp_path):
    assert check_suffix(tmp_path / "a.onnx") == ".onnx"
    with pytest.raises(NormscopeError, match=r"'.onx'. Did you mean '.onnx'"):
        check_suffix(tmp_path / "a.onx")
    with pytest.raises(NormscopeError, match="existing folder"):
        check_suffix(tmp_path / "nowhere" / "a.onnx")


@pytest.mark.parametrize("module", ["onnxruntime", "onnxscript"])
def test_onnx_without_its_extra(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NormscopeError) as error:
        check_suffix(tmp_path / "a.onnx")
    assert str(error.value) == (
        f"{module} must be installed for {tmp_path / 'a.onnx'}, got none. "
        "Run: pip install 'normscope[onnx]'"
    )
