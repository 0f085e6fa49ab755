"""What a library states of its own weights, where a file of others is checked."""

from __future__ import annotations

import re

import pytest
import torch
from PIL import Image

from normscope import check
from normscope.models.weights import weights_digest
from tests.checking.test_check import PIPELINES, flat, pipeline_of, with_weights

__all__ = ["flat"]


@pytest.fixture(scope="module")
def trained_anew(tmp_path_factory):
    """A network whose library states imagenet, with weights of its own."""
    return with_weights(tmp_path_factory.mktemp("weights") / "w.safetensors")


@pytest.mark.parametrize("name", PIPELINES)
def test_a_library_is_a_weak_witness_of_weights_that_are_not_its_own(name, trained_anew, flat):
    change, wrong = PIPELINES[name]
    found = check(**trained_anew, images=flat, pipeline=pipeline_of(change), count=8)
    # Networks are trained with blue first too, but none on what is normalized twice.
    told = wrong is not None and name != "bgr"
    assert found.verdict == ("wrong" if told else "cannot tell")
    assert found.answer.wrong == (wrong if told else None)
    assert found.to_json()["expected"]["confidence"] == 0.75


def test_weights_that_may_have_been_trained_with_what_is_used(trained_anew, flat):
    found = check(**trained_anew, images=flat, norm="half", count=8)
    assert re.fullmatch(
        r"Cannot tell: squeezenet1_1 probably expects imagenet \(0.485,0.456,0.406/"
        r"0.229,0.224,0.225\), as its library's own weights do, but nothing shows that these are "
        r"the same. If they do too, it is normalized with half, which changes .*\. Give one folder "
        r"of images per class, or labels='FILE'\.",
        found.sentence,
    )
    assert found.answer.use is None
    files = next(line for line in found.evidence if line.source == "library")
    assert files.says == (
        "torchvision's SqueezeNet1_1_Weights.IMAGENET1K_V1 states imagenet (0.485,0.456,0.406/"
        "0.229,0.224,0.225) of its own weights; nothing shows that these are the same."
    )


def test_what_is_under_test_is_said_to_be_no_witness(trained_anew, flat):
    assert check(**trained_anew, images=flat, count=8).sentence == (
        "Cannot tell: nothing else says whether squeezenet1_1 expects what the model's own "
        "configuration states. Give one folder of images per class, or labels='FILE'."
    )


def test_a_file_that_the_library_published_is_its_own(trained_anew, flat, monkeypatch):
    from torchvision.models import SqueezeNet1_1_Weights

    start = weights_digest(trained_anew["weights"])[:8]
    published = SqueezeNet1_1_Weights.IMAGENET1K_V1.value
    monkeypatch.setattr(published, "url", f"https://example.org/squeezenet1_1-{start}.pth")
    assert check(**trained_anew, images=flat, norm="imagenet", count=8).verdict == "right"


def test_grey_weights_of_a_model_whose_library_states_colours(flat, tmp_path):
    timm = pytest.importorskip("timm")
    path = tmp_path / "w.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", num_classes=6, in_chans=1).state_dict(), path)
    grey = tmp_path / "grey"
    grey.mkdir()
    for image in sorted(flat.glob("*.png"))[:8]:
        Image.open(image).convert("L").save(grey / image.name)
    found = check("timm/test_resnet", weights=path, images=grey, norm="mnist", resize=32, crop=32)
    assert found.images == 8
