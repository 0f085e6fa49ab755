import os
from pathlib import Path

import pytest
import torch

from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.models.resnet20 import ResNet20


def test_its_size_is_the_published_one():
    # He et al. (2016), table 6: 0.27 million.
    assert sum(p.numel() for p in ResNet20().parameters()) == 269_722


def test_other_channels_and_classes():
    assert ResNet20(1, 4)(torch.zeros(2, 1, 28, 28)).shape == (2, 4)


def test_published_weights_load():
    folder = os.environ.get("NORMSCOPE_WEIGHTS")
    if not folder:
        pytest.skip("NORMSCOPE_WEIGHTS is not set: real weights are needed")
    path = Path(folder) / "resnet20-cifar10.safetensors"
    options = ModelOptions(str(path))
    model = build_model("resnet20", channels=3, classes=10, image_size=(32, 32), options=options)
    assert model.bn1.running_var.min() > 0
