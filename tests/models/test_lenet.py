from __future__ import annotations

import pytest
import torch

from normscope.errors import NormscopeError
from normscope.models.lenet import LeNet


def test_on_mnist_it_is_the_published_network():
    model = LeNet()
    assert sum(p.numel() for p in model.parameters()) == 1_199_882
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == {
        "conv1.weight": (32, 1, 3, 3),
        "conv1.bias": (32,),
        "conv2.weight": (64, 32, 3, 3),
        "conv2.bias": (64,),
        "fc1.weight": (128, 9216),
        "fc1.bias": (128,),
        "fc2.weight": (10, 128),
        "fc2.bias": (10,),
    }


@pytest.mark.parametrize(
    ("channels", "classes", "image_size"), [(1, 10, (8, 8)), (3, 2, (6, 9)), (10, 5, (33, 17))]
)
def test_any_channels_classes_and_sizes(channels, classes, image_size):
    output = LeNet(channels, classes, image_size)(torch.rand(2, channels, *image_size))
    assert output.shape == (2, classes)
    torch.testing.assert_close(output.exp().sum(1), torch.ones(2))


def test_images_that_are_too_small():
    with pytest.raises(NormscopeError) as error:
        LeNet(1, 10, (5, 8))
    assert str(error.value) == (
        "lenet must be given images of at least 6 x 6 pixels, got 8 x 5. "
        "Enlarge the images or choose another --model."
    )
