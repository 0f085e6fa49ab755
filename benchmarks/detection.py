"""How often ``normscope detect`` is right, on networks that are trained here.

Run ``python -m benchmarks.detection CIFAR --folder OUT``, where CIFAR is a folder or archive of
CIFAR-10's images with ``train/`` and ``test/``; MNIST is found under ``$NORMSCOPE_DATA``. Half of
the networks are trained under a known normalization, half under a random one; colour and grey,
pixels of [0, 1] and of 0..255, with crops and flips and without, with several architectures,
optimizers and schedules. Each result is kept in OUT, so that an interrupted run goes on. The images
that detection sees are none of those of the training.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn
from torchvision.models import resnet18

from normscope.detection.candidates import BGR, RGB, candidates
from normscope.detection.detecting import detect
from normscope.detection.detection_result import CLAIMED
from normscope.images.decoded import LabelledImages
from normscope.images.opening import open_source
from normscope.normalization import Normalization
from normscope.writing import write_text

TRAIN_IMAGES, IMAGES = 3000, 512
MARGIN = 4
GREY = np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
FITTING = {
    "colour": ("imagenet", "half", "none", "0..255", "caffe", "clip", "mnist", "centred 0..255"),
    "grey": ("half", "none", "0..255", "mnist", "centred 0..255"),
}


@dataclass(frozen=True)
class Training:
    """How one network is trained; drawn from its seed."""

    seed: int
    source: str
    name: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str
    width: int
    kernel: int
    stride: int
    bias: bool
    activation_first: bool
    adam: bool
    one_cycle: bool
    epochs: int
    batch_size: int
    crop: bool
    flip: bool


def draw(seed: int) -> Training:
    """A training; of even seeds under a known normalization, of odd ones under a random one.

    Args:
        seed: Its seed.

    Returns:
        The training.
    """
    g = np.random.default_rng(seed)
    source = ("cifar", "cifar", "grey", "mnist")[seed // 2 % 4]
    channels = 3 if source == "cifar" else 1
    name, order = None, RGB
    if seed % 2 == 0:
        names = FITTING["colour" if channels == 3 else "grey"]
        drawn = names[g.integers(len(names))]
        usual = next(c for c in candidates(channels) if c.name == drawn)
        other = g.random() < 0.25 and channels == 3
        both = [c for c in candidates(channels) if c.normalization == usual.normalization]
        chosen = next(c for c in both if c.usual != other)
        name, order, normalization = chosen.name, chosen.order, chosen.normalization
    elif g.random() < 0.5:
        std = np.exp(g.uniform(np.log(0.1), 0, channels))
        normalization = Normalization(g.uniform(0, 1, channels).tolist(), std.tolist())
    else:
        # Pixels of 0..255, divided by something from 1 to 80.
        std = np.exp(g.uniform(0, np.log(80)) + g.normal(0, 0.1, channels)) / 255
        normalization = Normalization(g.uniform(0, 1, channels).tolist(), std.tolist())
    return Training(
        seed=seed, source=source, name=name, mean=normalization.mean, std=normalization.std,
        order=order, width=int(g.choice([16, 24, 32])), kernel=int(g.choice([3, 5])),
        stride=int(g.choice([1, 1, 2])), bias=bool(g.random() < 0.5),
        activation_first=bool(g.random() < 0.1), adam=bool(g.random() < 0.5),
        one_cycle=bool(g.random() < 0.7), epochs=int(g.integers(2, 5)),
        batch_size=int(g.choice([32, 64])), crop=bool(g.random() < 0.5),
        flip=bool(g.random() < 0.5) and source != "mnist",
    )  # fmt: skip


def network(training: Training) -> nn.Module:
    """Three layers with BatchNorm behind two.

    Args:
        training: Its sizes.

    Returns:
        The network, for 10 classes.
    """
    width, kernel = training.width, training.kernel
    normalized = [nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(
        nn.Conv2d(
            len(training.mean), width, kernel, training.stride, kernel // 2, bias=training.bias
        ),
        *(reversed(normalized) if training.activation_first else normalized),
        nn.MaxPool2d(2) if training.stride == 1 else nn.Identity(),
        nn.Conv2d(width, 32, 3, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def split(training: Training, images: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """Images to train on, and others to detect with, drawn anew for every network.

    Both from one split: a data set's own test split may have another mean, as MNIST's has.

    Args:
        training: Its seed decides.
        images: Of one split.

    Returns:
        Disjoint parts.
    """
    rows = np.random.default_rng([training.seed, 2]).permutation(len(images))
    return images.take(rows[:TRAIN_IMAGES]), images.take(rows[TRAIN_IMAGES:][:IMAGES])


def train(training: Training, images: LabelledImages) -> nn.Module:
    """Train a network.

    Args:
        training: How.
        images: Of the training.

    Returns:
        The network, in evaluation mode.
    """
    torch.manual_seed(training.seed)
    g = np.random.default_rng([training.seed, 1])
    pixels = torch.from_numpy(np.array(images.pixels)).float() / 255
    labels = torch.from_numpy(np.array(images.labels))
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (training.mean, training.std))
    model = network(training)
    batches = len(pixels) // training.batch_size
    rate = 2e-3 if training.adam else 0.05
    optimizer = (
        torch.optim.Adam(model.parameters(), rate)
        if training.adam
        else torch.optim.SGD(model.parameters(), rate, 0.9, weight_decay=5e-4)
    )
    steps = training.epochs * batches
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * rate, total_steps=steps)
    for _ in range(training.epochs):
        order = torch.from_numpy(g.permutation(len(pixels)))
        for chosen in order.split(training.batch_size)[:batches]:
            shown = (augmented(pixels[chosen], training, g) - mean) / std
            shown = shown.flip(1) if training.order == BGR else shown
            loss = F.cross_entropy(model(shown), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if training.one_cycle:
                schedule.step()
    return model.eval()


def augmented(pixels: torch.Tensor, training: Training, g: np.random.Generator) -> torch.Tensor:
    """Random crops of black-padded images and flips, if the training has them.

    Args:
        pixels: Shape ``(B, C, H, W)``, not normalized.
        training: Says which.
        g: Draws them.

    Returns:
        The same shape.
    """
    height, width = pixels.shape[2:]
    if training.crop:
        padded = F.pad(pixels, (MARGIN,) * 4)
        places = g.integers(0, 2 * MARGIN + 1, (len(pixels), 2)).tolist()
        pixels = torch.stack(
            [
                image[:, row : row + height, column : column + width]
                for image, (row, column) in zip(padded, places, strict=True)
            ]
        )
    if training.flip:
        flipped = torch.from_numpy(g.random(len(pixels)) < 0.5).reshape(-1, 1, 1, 1)
        pixels = torch.where(flipped, pixels.flip(-1), pixels)
    return pixels


def measure(training: Training, images: LabelledImages) -> dict:
    """Train one network and detect its normalization.

    Args:
        training: How.
        images: Of its source.

    Returns:
        What was true and what was found.
    """
    seen, unseen = split(training, images)
    if training.source == "grey":
        seen, unseen = _grey(seen), _grey(unseen)
    model = train(training, seen)
    start = time.perf_counter()
    found = detect(model, unseen.pixels, batch_size=training.batch_size, count=IMAGES, device="cpu")
    return {
        "training": asdict(training),
        "found": found.to_json(),
        "seconds": time.perf_counter() - start,
    }


def report(results: list[dict]) -> dict:
    """The figures of many results.

    Args:
        results: From ``measure``.

    Returns:
        Counts and shares.
    """
    named = [r for r in results if r["training"]["name"] is not None]
    unknown = [r for r in results if r["training"]["name"] is None]
    first = [r["found"]["candidates"][0] for r in results]
    right = [f["name"] == r["training"]["name"] for f, r in zip(first, results, strict=True)]
    held, misses = [], []
    for result in results:
        for what in ("mean", "std"):
            ends = result["found"]["fitted"][f"{what}_interval"]
            for value, (low, high) in zip(result["training"][what], ends, strict=True):
                held.append(low <= value <= high)
                if not held[-1]:
                    misses.append(result["training"]["seed"])
    confidence = float(np.mean([f["confidence"] for f in first]))
    return {
        "named": len(named),
        "right_first": sum(
            r["found"]["candidates"][0]["name"] == r["training"]["name"] for r in named
        ),
        "random": len(unknown),
        "falsely_claimed": sum(
            r["found"]["candidates"][0]["confidence"] > CLAIMED for r in unknown
        ),
        "pooled_confidence": confidence,
        "hit_rate": float(np.mean(right)),
        "confidence_minus_hits": confidence - float(np.mean(right)),
        "intervals": len(held),
        "intervals_that_hold": float(np.mean(held)),
        "seeds_with_misses": sorted(set(misses)),
        "median_seconds": float(np.median([r["seconds"] for r in results])),
    }


def time_of_resnet18() -> float:
    """Detection on ResNet-18 with 256 generated images of 224 pixels.

    Returns:
        Seconds.
    """
    torch.manual_seed(0)
    coarse = torch.rand(256, 3, 14, 14) * 255
    images = F.interpolate(coarse, size=(224, 224), mode="bicubic").clamp(0, 255).to(torch.uint8)
    model = resnet18()
    model.bn1.momentum = None
    with torch.no_grad():
        for batch in images.split(32):
            model.bn1(model.conv1((batch / 255 - 0.45) / 0.25))
    start = time.perf_counter()
    detect(model, images, device="cpu")
    return time.perf_counter() - start


def main() -> None:
    """Train, detect, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cifar", help="CIFAR-10's images, with train/ and test/")
    parser.add_argument("--folder", type=Path, required=True, help="results are kept here")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    cifar = open_source(arguments.cifar).train
    sources = {"cifar": cifar, "grey": cifar, "mnist": open_source("mnist").train}
    results = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.networks):
        file = arguments.folder / f"{seed}.json"
        if not file.exists():
            training = draw(seed)
            result = measure(training, sources[training.source])
            write_text(file, json.dumps(result, indent=2) + "\n")
        results.append(json.loads(file.read_text(encoding="utf-8")))
        _print(results[-1])
    figures = report(results) | {"resnet18_seconds": time_of_resnet18()}
    print(json.dumps(figures, indent=2))
    if arguments.json:
        write_text(arguments.json, json.dumps(figures, indent=2) + "\n")


def _grey(images: LabelledImages) -> LabelledImages:
    luma = np.rint((images.pixels * GREY).sum(1, keepdims=True)).astype(np.uint8)
    return LabelledImages(luma, images.labels)


def _print(result: dict) -> None:
    first, training = result["found"]["candidates"][0], result["training"]
    true = training["name"] or f"random {training['mean'][0]:.3g}/{training['std'][0]:.3g}"
    print(
        f"{training['seed']} {training['source']}: {true}; first {first['name']} with "
        f"{first['confidence']:.3f}, none of them {result['found']['none_of_them']:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
