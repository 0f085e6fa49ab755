"""Small networks whose normalization is known and cannot be read off a BatchNorm.

For ``benchmarks.by_answers``: plain convolutions, a ConvNeXt, a vision transformer and convolutions
whose BatchNorm is folded away, on CIFAR-10, its grey images and MNIST, each at half its size, and
on the bundled digits. Networks of even seeds are trained under a known normalization, drawn as
often as people use it; those of odd seeds under a random one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from benchmarks.detection import GREY
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from normscope.detection.candidates import BGR, RGB, candidates
from normscope.images.decoded import LabelledImages
from normscope.images.opening import open_source
from normscope.normalization import Normalization

TRAIN_IMAGES, IMAGES = 2000, 256
CLASSES = 10
KINDS = ("plain", "convnext", "vit", "folded")
SOURCES = ("cifar", "mnist", "cifar", "digits", "cifar", "grey", "cifar", "mnist")
NAMED = {
    3: {"imagenet": 0.3, "half": 0.2, "none": 0.2, "0..255": 0.1, "clip": 0.05, "caffe": 0.05,
        "cifar10": 0.05, "centred 0..255": 0.05},
    1: {"none": 0.3, "half": 0.25, "mnist": 0.2, "0..255": 0.15, "centred 0..255": 0.1},
}  # fmt: skip
SIDES = {"cifar": 16, "grey": 16, "mnist": 14, "digits": 8}
UNUSUAL_ORDER = 0.1
LEARNED = {"cifar": 0.27, "grey": 0.25, "mnist": 0.6, "digits": 0.6}
"""Networks that are less often right have learned nothing: nobody would ask about them."""


@dataclass(frozen=True)
class Training:
    """How one network is trained; drawn from its seed."""

    seed: int
    source: str
    kind: str
    name: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str
    width: int
    sgd: bool
    weight_decay: float
    epochs: int
    batch_size: int
    shift: bool
    flip: bool


@dataclass(frozen=True)
class Trained:
    """A network, how it was trained, and images that it has not seen."""

    training: Training
    model: nn.Module
    accuracy: float
    images: LabelledImages

    @property
    def truth(self) -> dict:
        """What was true, for JSON."""
        return asdict(self.training) | {"accuracy": self.accuracy}


def draw(seed: int) -> Training:
    """A training; of even seeds under a known normalization, of odd ones under a random one.

    Args:
        seed: Its seed.

    Returns:
        The training.
    """
    g = np.random.default_rng([seed, 7])
    source, kind = SOURCES[seed // 2 % 8], KINDS[(seed // 2 + seed // 16) % 4]
    channels = 3 if source == "cifar" else 1
    name, order = None, RGB
    if seed % 2 == 0:
        names = NAMED[channels]
        drawn = g.choice(list(names), p=list(names.values()))
        both = [c for c in candidates(channels) if c.name.split(",")[0] == drawn]
        other = g.random() < UNUSUAL_ORDER and channels == 3
        chosen = next(c for c in both if c.usual != other)
        name, order, normalization = chosen.name, chosen.order, chosen.normalization
    else:
        normalization = random_normalization(g, channels)
    return Training(
        seed=seed, source=source, kind=kind, name=name, mean=normalization.mean,
        std=normalization.std, order=order, width=int(g.choice([8, 12, 16])),
        sgd=bool(g.random() < 0.5) and kind in {"plain", "folded"},
        weight_decay=float(g.choice([0, 5e-4, 0.02])),
        epochs={"digits": 8, "mnist": 4}.get(source, int(g.integers(5, 7))),
        batch_size=64, shift=bool(g.random() < 0.5),
        flip=bool(g.random() < 0.6) and source in {"cifar", "grey"},
    )  # fmt: skip


def random_normalization(g: np.random.Generator, channels: int) -> Normalization:
    """Constants that nobody has a name for.

    Args:
        g: Draws them.
        channels: How many.

    Returns:
        Half of the time for pixels of [0, 1], else for those of 0..255.
    """
    mean = np.clip(g.uniform(0, 1) + g.normal(0, 0.05, channels), 0, 1)
    low, high = ((0.1, 1.0), (1 / 255, 80 / 255))[int(g.random() < 0.5)]
    std = np.exp(g.uniform(np.log(low), np.log(high)) + g.normal(0, 0.1, channels))
    return Normalization(mean.tolist(), std.tolist())


def network(training: Training) -> nn.Module:
    """The untrained network.

    Args:
        training: Its kind and sizes.

    Returns:
        The network, for 10 classes.
    """
    channels, width = len(training.mean), training.width
    side = SIDES[training.source]
    if training.kind == "vit":
        return VisionTransformer(channels, side, 4 if side == 16 else 2, 2 * width)
    if training.kind == "convnext":
        return convnext(channels, 2 * width)
    return convolutions(channels, width, norm=training.kind == "folded")


def convolutions(channels: int, width: int, *, norm: bool) -> nn.Sequential:
    """Three convolutions, two of them halving the image, and a linear layer."""
    layers: list[nn.Module] = []
    sizes = ((channels, width, 2), (width, 2 * width, 1), (2 * width, 2 * width, 2))
    for inputs, outputs, stride in sizes:
        layers.append(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not norm))
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8 * width, CLASSES)
    )


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of an image."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """The normalized image."""
        return super().forward(given.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """What a block adds to what it is given."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """The sum."""
        return given + self.block(given)


def convnext(channels: int, width: int) -> nn.Sequential:
    """A small ConvNeXt (Liu et al. 2022, arXiv:2201.03545), with its norm behind the stem."""

    def block() -> nn.Module:
        return Residual(
            nn.Sequential(
                nn.Conv2d(width, width, 5, padding=2, groups=width), ChannelNorm(width),
                nn.Conv2d(width, 3 * width, 1), nn.GELU(), nn.Conv2d(3 * width, width, 1),
            )
        )  # fmt: skip

    stem = nn.Conv2d(channels, width, 2, 2)
    return nn.Sequential(
        stem, ChannelNorm(width), block(), nn.AvgPool2d(2), block(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.LayerNorm(4 * width), nn.Linear(4 * width, CLASSES),
    )  # fmt: skip


class VisionTransformer(nn.Module):
    """A small ViT (Dosovitskiy et al. 2021, arXiv:2010.11929)."""

    def __init__(self, channels: int, side: int, patch: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, patch, patch)
        self.place = nn.Parameter(0.02 * torch.randn(1, (side // patch) ** 2, width))
        self.blocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, 2, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
                )
                for _ in range(2)
            )
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits."""
        tokens = self.stem(images).flatten(2).transpose(1, 2) + self.place
        return self.head(self.blocks(tokens).mean(1))


def sources(cifar: str) -> dict[str, LabelledImages]:
    """The images by their source's name, bytes of 0..255.

    Args:
        cifar: A folder or archive of CIFAR-10's images, with ``train/``.

    Returns:
        One split of each.
    """
    digits = open_source("digits").train
    coloured = open_source(cifar).train
    scaled = np.rint(digits.pixels * (255 / 16)).astype(np.uint8)
    return {
        "cifar": coloured, "grey": coloured, "mnist": open_source("mnist").train,
        "digits": LabelledImages(scaled, digits.labels),
    }  # fmt: skip


def prepared_images(
    training: Training, images: LabelledImages
) -> tuple[LabelledImages, LabelledImages]:
    """Images to train on, and others to ask about, drawn anew for every network.

    Args:
        training: Its seed decides.
        images: Of its source.

    Returns:
        Disjoint parts.
    """
    rows = np.random.default_rng([training.seed, 2]).permutation(len(images))
    unseen, seen = images.take(rows[:IMAGES]), images.take(rows[IMAGES:][:TRAIN_IMAGES])
    return _prepared(seen, training), _prepared(unseen, training)


def train(training: Training, images: LabelledImages) -> Trained | None:
    """Train a network, more slowly where it learns nothing.

    Args:
        training: How.
        images: Of its source.

    Returns:
        The network in evaluation mode, or None if it never learns.
    """
    seen, unseen = prepared_images(training, images)
    for rate in (1.0, 0.3):
        model = _fit(training, seen, rate)
        accuracy = _accuracy(model, training, unseen)
        if accuracy > LEARNED[training.source]:
            return Trained(training, model, accuracy, unseen)
    return None


def without_batchnorm(model: nn.Module) -> nn.Module:
    """Fold every BatchNorm into the convolution before it, as exports do."""
    if not isinstance(model, nn.Sequential):
        return model
    layers: list[nn.Module] = []
    for layer in model.eval():
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def shown(pixels: torch.Tensor, training: Training) -> torch.Tensor:
    """Pixels of 0..255 as the network meets them."""
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (training.mean, training.std))
    normalized = (pixels.float() / 255 - mean) / std
    return normalized.flip(1) if training.order == BGR else normalized


def _fit(training: Training, images: LabelledImages, slower: float) -> nn.Module:
    torch.manual_seed(training.seed)
    g = torch.Generator().manual_seed(training.seed)
    pixels = shown(torch.from_numpy(np.array(images.pixels)), training)
    labels = torch.from_numpy(np.array(images.labels))
    model = network(training)
    rate = slower * (0.05 if training.sgd else 2e-3 if training.kind == "vit" else 4e-3)
    optimizer = (
        torch.optim.SGD(
            model.parameters(), rate, 0.9, weight_decay=min(training.weight_decay, 5e-4)
        )
        if training.sgd
        else torch.optim.AdamW(model.parameters(), rate, weight_decay=training.weight_decay)
    )
    steps = training.epochs * (len(pixels) // training.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(training.epochs):
        order = torch.randperm(len(pixels), generator=g)
        for rows in order.split(training.batch_size)[: steps // training.epochs]:
            loss = F.cross_entropy(model(_augmented(pixels[rows], training, g)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return without_batchnorm(model.eval()).eval()


def _augmented(images: torch.Tensor, training: Training, g: torch.Generator) -> torch.Tensor:
    """One shift for the batch, and flips, where the training has them."""
    if training.shift:
        margin = images.shape[3] // 8
        padded = F.pad(images, (margin,) * 4, mode="replicate")
        row, column = torch.randint(0, 2 * margin + 1, (2,), generator=g).tolist()
        images = padded[:, :, row : row + images.shape[2], column : column + images.shape[3]]
    if training.flip:
        flipped = (torch.rand(len(images), generator=g) < 0.5).reshape(-1, 1, 1, 1)
        images = torch.where(flipped, images.flip(-1), images)
    return images


def _accuracy(model: nn.Module, training: Training, images: LabelledImages) -> float:
    with torch.no_grad():
        answers = model(shown(torch.from_numpy(np.array(images.pixels)), training)).argmax(1)
    return float((answers.numpy() == images.labels).mean())


def _prepared(images: LabelledImages, training: Training) -> LabelledImages:
    """Grey where it is to be, and at half the size: a training then takes a second."""
    pixels = images.pixels.astype(np.float64)
    if training.source == "grey":
        pixels = (pixels * GREY).sum(1, keepdims=True)
    if pixels.shape[-1] > SIDES[training.source]:
        count, channels, height, width = pixels.shape
        pixels = pixels.reshape(count, channels, height // 2, 2, width // 2, 2).mean((3, 5))
    return LabelledImages(np.rint(pixels).astype(np.uint8), images.labels)
