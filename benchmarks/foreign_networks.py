"""Small networks with BatchNorm, trained with augmentations that ``detect`` is not told of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from benchmarks.foreign_pictures import Collection
from torch import Tensor, nn

from normscope.detection.candidates import BGR, RGB, candidates
from normscope.normalization import Normalization

TRAIN_IMAGES = 3000
STEPS = (150, 300)
"""The fewest and the most: BatchNorm's averages stand on the last 20 or so."""

FITTING = {
    3: ("imagenet", "half", "none", "0..255", "caffe", "clip", "cifar10", "centred 0..255"),
    1: ("half", "none", "0..255", "mnist", "centred 0..255"),
}
AUGMENTATIONS = (
    ("none",), ("crop", "flip"), ("affine",), ("affine", "flip"), ("zoom",), ("zoom", "flip"),
    ("zoom", "jitter"), ("jitter",), ("blur",), ("affine", "jitter"), ("zoom", "blur"),
    ("affine", "erase"),
)  # fmt: skip


@dataclass(frozen=True)
class Training:
    """How one network is trained; drawn from its seed."""

    seed: int
    collection: Collection
    name: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str
    augmentation: tuple[str, ...]
    smallest_area: float
    degrees: float
    width: int
    kernel: int
    stride: int
    adam: bool
    one_cycle: bool
    steps: int
    batch_size: int


def draw(seed: int) -> Training:
    """A training; two of three under a known normalization, one under a random one.

    Args:
        seed: Its seed.

    Returns:
        The training.
    """
    g = np.random.default_rng([seed, 7])
    base, sizes = (
        ("cifar", (32, 32, 48)), ("scenes", (32, 48, 64)), ("close", (32, 48)),
        ("cifar", (32, 32, 48)), ("digits", (28, 28, 32)), ("animals", (32,)),
    )[seed % 6]  # fmt: skip
    size = int(g.choice(sizes))
    colour = str(g.choice(["colour", "grey", "one"], p=[0.75, 0.1, 0.15]))
    colour = "one" if base == "digits" else colour
    quality = int(g.integers(20, 80)) if g.random() < 0.25 else None
    channels = 1 if colour == "one" else 3
    name, order = None, RGB
    if seed % 3:
        drawn = str(g.choice(FITTING[channels]))
        usual = next(c for c in candidates(channels) if c.name == drawn)
        name, order, normalization = usual.name, usual.order, usual.normalization
    else:
        scale = 1.0 if g.random() < 0.6 else np.exp(g.uniform(0, np.log(80))) / 100
        std = scale * np.exp(g.uniform(np.log(0.1), 0) + g.normal(0, 0.2, channels))
        normalization = Normalization(g.uniform(0, 1, channels).tolist(), std.tolist())
    return Training(
        seed=seed, collection=Collection(base, size, colour, quality), name=name,
        mean=normalization.mean, std=normalization.std, order=order,
        augmentation=AUGMENTATIONS[int(g.integers(len(AUGMENTATIONS)))],
        smallest_area=float(g.choice([0.08, 0.25, 0.5])), degrees=float(g.choice([10, 20, 40])),
        width=int(g.choice([16, 24, 32])), kernel=(kernel := int(g.choice([3, 3, 5, 5]))),
        stride=1 if size <= 32 and g.random() < 0.5 and kernel == 3 else 2,
        adam=bool(g.random() < 0.5),
        one_cycle=bool(g.random() < 0.7), steps=int(g.integers(*STEPS)),
        batch_size=int(g.choice([32, 64])),
    )  # fmt: skip


def network(training: Training) -> nn.Module:
    """Two convolutions with BatchNorm.

    Args:
        training: Its sizes.

    Returns:
        The network, for 10 classes.
    """
    width, kernel = training.width, training.kernel
    return nn.Sequential(
        nn.Conv2d(len(training.mean), width, kernel, training.stride, kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 32, 3, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def train(training: Training, images: np.ndarray, labels: np.ndarray) -> nn.Module:
    """Train a network.

    Args:
        training: How.
        images: uint8, shape ``(N, C, H, W)``.
        labels: Shape ``(N,)``.

    Returns:
        The network, in evaluation mode.
    """
    torch.manual_seed(training.seed)
    g = torch.Generator().manual_seed(training.seed)
    pixels, targets = torch.from_numpy(images).float() / 255, torch.from_numpy(labels).long()
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (training.mean, training.std))
    model = network(training)
    rate = 2e-3 if training.adam else 0.05
    optimizer = (
        torch.optim.Adam(model.parameters(), rate)
        if training.adam
        else torch.optim.SGD(model.parameters(), rate, 0.9, weight_decay=5e-4)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * rate, total_steps=training.steps)
    for _ in range(training.steps):
        rows = torch.randint(0, len(pixels), (training.batch_size,), generator=g)
        shown = (augmented(pixels[rows], training, g).float() - mean) / std
        shown = shown.flip(1) if training.order == BGR else shown
        loss = F.cross_entropy(model(shown), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if training.one_cycle:
            schedule.step()
    return model.eval()


def augmented(pixels: Tensor, training: Training, g: torch.Generator) -> Tensor:
    """What the network is shown of some images, before normalization.

    Args:
        pixels: Shape ``(B, C, H, W)``, in [0, 1].
        training: Says how.
        g: Draws.

    Returns:
        The same shape.
    """
    for what in training.augmentation:
        if what in {"crop", "flip", "affine", "zoom"}:
            pixels = _placed(pixels, _matrices(what, training, len(pixels), pixels.shape[-1], g))
        elif what == "jitter":
            pixels = _jittered(pixels, g)
        elif what == "blur":
            pixels = torch.where(_some(pixels, 0.5, g), _blurred(pixels, g), pixels)
        elif what == "erase":
            pixels = _erased(pixels, g)
    return pixels


def _matrices(what: str, training: Training, count: int, side: int, g: torch.Generator) -> Tensor:
    matrix = torch.eye(2, 3).repeat(count, 1, 1)
    between = torch.rand(4, count, generator=g)
    around = 2 * between - 1
    if what == "crop":
        matrix[:, :, 2] = (around[:2] * 4).round().T * 2 / side
    elif what == "flip":
        matrix[:, 0, 0] = torch.where(between[0] < 0.5, -1.0, 1.0)
    elif what == "affine":
        angle, zoom = around[0] * np.deg2rad(training.degrees), 1 + 0.2 * around[1]
        cos, sin = angle.cos() / zoom, angle.sin() / zoom
        matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1] = cos, -sin, sin, cos
        matrix[:, :, 2] = 0.2 * around[2:].T
    else:
        side_share = (training.smallest_area + (1 - training.smallest_area) * between[0]).sqrt()
        aspect = (0.28 * around[1]).exp().sqrt()
        shares = torch.stack([side_share * aspect, side_share / aspect], 1).clamp(max=1)
        matrix[:, 0, 0], matrix[:, 1, 1] = shares.T
        matrix[:, :, 2] = around[2:].T * (1 - shares)
    return matrix


def _placed(pixels: Tensor, matrices: Tensor) -> Tensor:
    grid = F.affine_grid(matrices, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, align_corners=False)


def _jittered(pixels: Tensor, g: torch.Generator) -> Tensor:
    brightness, contrast, saturation = 0.6 + 0.8 * torch.rand(3, len(pixels), 1, 1, 1, generator=g)
    pixels = (pixels * brightness).clamp(0, 1)
    grey = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (grey + contrast * (pixels - grey)).clamp(0, 1)
    grey = pixels.mean(1, keepdim=True)
    return (grey + saturation * (pixels - grey)).clamp(0, 1)


def _blurred(pixels: Tensor, g: torch.Generator) -> Tensor:
    sigma = 0.3 + 1.2 * float(torch.rand(1, generator=g))
    taps = torch.exp(-0.5 * (torch.arange(-3, 4) / sigma) ** 2)
    kernel = torch.outer(taps, taps) / taps.sum() ** 2
    channels = pixels.shape[1]
    padded = F.pad(pixels, (3,) * 4, mode="reflect")
    return F.conv2d(padded, kernel.repeat(channels, 1, 1, 1), groups=channels)


def _erased(pixels: Tensor, g: torch.Generator) -> Tensor:
    side = pixels.shape[-1]
    start = torch.randint(0, side * 2 // 3, (2, len(pixels), 1), generator=g)
    along = torch.arange(side)
    rows, columns = (along >= start) & (along < start + side // 3)
    hidden = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(hidden & _some(pixels, 0.5, g), torch.zeros_like(pixels), pixels)


def _some(pixels: Tensor, share: float, g: torch.Generator) -> Tensor:
    return torch.rand(len(pixels), 1, 1, 1, generator=g) < share
