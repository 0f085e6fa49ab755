"""Networks with fixed weights, and transforms, that audits in the tests name."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms import v2

from normscope.models.outputs import SelectedOutputs
from normscope.models.resnet20 import ResNet20

TINTS = np.random.default_rng(1).uniform(80, 170, (6, 3))
"""The mean colour of each class."""

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def _drawn(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network


class NearestTint(nn.Module):
    """Finds the class of the nearest mean colour, and is led astray a little by the details."""

    def __init__(self, channels: int = 3, batchnorm: bool = False) -> None:
        super().__init__()
        convolution, rest = nn.Conv2d(channels, 12, 5, stride=2), nn.Conv2d(12, 12, 3)
        self.details = _drawn(
            nn.Sequential(
                convolution, nn.ReLU(), rest, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                nn.Linear(12, len(TINTS)),
            )
        )  # fmt: skip
        if batchnorm:
            self.details[1] = nn.Sequential(nn.BatchNorm2d(12), nn.ReLU())
        tints = torch.tensor((TINTS / 255 - MEAN) / STD)[:, :channels].float()
        self.register_buffer("tints", tints)

    def forward(self, images: Tensor) -> Tensor:
        colours = images.mean((2, 3))
        return 0.3 * self.details(images) - (colours[:, None] - self.tints).square().sum(2)


def small() -> nn.Module:
    """A network without BatchNorm."""
    return NearestTint()


def with_batchnorm() -> nn.Module:
    """One with a BatchNorm whose running statistics are 0 and 1."""
    return NearestTint(batchnorm=True)


def flat(classes: int = 6) -> nn.Module:
    """Takes images of 32 x 32 alone."""
    return _drawn(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes)))


def grey() -> nn.Module:
    """Takes one channel."""
    return NearestTint(1)


def five_bands() -> nn.Module:
    """Takes images of a satellite."""
    convolution = nn.Conv2d(5, 8, 5, stride=2)
    rest = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6))
    return _drawn(nn.Sequential(convolution, *rest))


def picture(image_size: tuple[int, int]) -> nn.Module:
    """No classifier: gives an image."""
    return nn.Conv2d(3, 3, 1)


def _settled(network: nn.Module) -> nn.Module:
    """With running statistics from random images, and answers that are not all the same."""
    generator = torch.Generator().manual_seed(4)
    images = torch.randn((32, 3, 32, 32), generator=generator)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(images)
        last = list(network.modules())[-1]
        last.bias -= network.eval()(images).mean(0)
    return network


def residual() -> nn.Module:
    """ResNet-20 for the six classes."""
    return _settled(_drawn(ResNet20(classes=len(TINTS))))


class Fire(nn.Module):
    """SqueezeNet's block and its end, whose last convolution gives twice the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        self.squeeze, self.left = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.right = nn.Conv2d(4, 8, 3, padding=1)
        self.end = nn.Sequential(
            nn.Dropout(), nn.Conv2d(16, 2 * len(TINTS), 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(self.first(images)))
        x = torch.cat([F.relu(self.left(x)), F.relu(self.right(x))], 1)
        return torch.flatten(self.end(x), 1)


def fire() -> nn.Module:
    """The same with every second output wanted."""
    network = _drawn(Fire())
    images = torch.randn((32, 3, 32, 32), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        outputs = network.eval()(images)
        network.end[1].bias += outputs.std() - outputs.mean(0)
    return SelectedOutputs(network, range(0, 2 * len(TINTS), 2))


def hard_to_fold() -> nn.Module:
    """BatchNorms whose weights are 0 in some channels, or small beside their biases."""
    network = _drawn(
        nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2),
            nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8, affine=False),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, len(TINTS)),
        )
    )  # fmt: skip
    with torch.no_grad():
        network[1].weight[::3] = 0
        network[4].weight[0], network[4].bias[0] = 1e-6, 1
    return _settled(network)


class Shared(nn.Module):
    """Calls one convolution and one BatchNorm twice, and another twice with two BatchNorms."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1)
        self.batchnorm, self.other = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.third = nn.BatchNorm2d(6)
        self.linear = nn.Linear(6, len(TINTS))

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.batchnorm(self.first(images)))
        x = F.relu(self.batchnorm(x) + self.other(self.again(x)))
        y = self.again(x)
        return self.linear((self.third(y) + y).mean((2, 3)))


def shared() -> nn.Module:
    """Layers that are called more than once."""
    return _settled(_drawn(Shared()))


class InPlace(Shared):
    """Changes images, and what BatchNorms meet, in place; one is called by its argument's name."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images.mul_(0.5).add_(0.1))
        x.mul_(1.5)
        y = self.again(self.batchnorm(x))
        F.relu(y, inplace=True)
        z = self.other(input=y)
        y.sub_(1)
        return self.linear(self.third(y + z).mean((2, 3)))


def in_place() -> nn.Module:
    """A network of which the order of its steps matters."""
    return _settled(_drawn(InPlace()))


class DecidingInPlace(InPlace):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images if images.mean() > 0 else images + 0.1)


def deciding_in_place() -> nn.Module:
    """The same, run as it is."""
    return _settled(_drawn(DecidingInPlace()))


def hooked() -> nn.Module:
    """A BatchNorm that meets what a hook makes of its input."""
    network = _drawn(Shared())
    network.other.register_forward_pre_hook(_tripled)
    return _settled(network)


def _tripled(_: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
    return 3 * arguments[0] + 1


class Deciding(Shared):
    """Cannot be recorded: what it does depends on what it sees."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images if images.mean() > 0 else images + 0.1)


def deciding() -> nn.Module:
    """A network that is run as it is."""
    return _settled(_drawn(Deciding()))


class Flattening(nn.Module):
    """Takes only images whose channels are first in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.batchnorm, self.linear = nn.BatchNorm2d(3), nn.Linear(3 * 32 * 32, len(TINTS))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.batchnorm(images).view(-1, 3 * 32 * 32))


def flattening() -> nn.Module:
    """A BatchNorm with no convolution before it, and no view of channels that are last."""
    return _settled(_drawn(Flattening()))


class Refusing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        raise RuntimeError("no image is good enough\nat all")


_prepare = [v2.ToImage(), v2.Resize(40, antialias=True), v2.CenterCrop(32)]
_scale = v2.ToDtype(torch.float32, scale=True)
right = v2.Compose([*_prepare, _scale, v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
copied = v2.Compose([*_prepare, _scale, v2.Normalize([0.485, 0.456, 0.406], [0.485, 0.456, 0.406])])
squashed = v2.Compose(
    [
        v2.ToImage(),
        v2.Resize((32, 32), antialias=True),
        _scale,
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
unnormalized = v2.Compose([*_prepare, _scale])
as_bytes = v2.Compose(_prepare)
as_integers = v2.Compose([as_bytes, v2.ToDtype(torch.int64)])
larger = v2.Compose([v2.ToImage(), v2.Resize((50, 50), antialias=True), _scale])
flat_vector = v2.Compose([unnormalized, v2.Lambda(torch.flatten)])
NOT_CALLABLE = 3


def uneven(image) -> Tensor:
    """Gives tensors of various sizes."""
    return v2.functional.to_dtype(v2.functional.to_image(image), torch.float32, scale=True)


def failing(image) -> Tensor:
    raise ValueError("this transform is broken")


def not_a_number(image) -> Tensor:
    return uneven(image) / 0 * 0
