"""What ``normscope detect`` says where the images or the augmentation are not the training's.

Run ``python -m benchmarks.foreign_images DATA --folder OUT``, where DATA holds
``cifar10-jpeg/train.tar`` and ``imagenet-sample/val``; MNIST is found under ``$NORMSCOPE_DATA``.
Two of three networks are trained under a known normalization, one under a random one, most of them
with an augmentation that ``detect`` cannot know. Each is asked twice: with other images of its own
collection, and with images of another. Networks and results are kept in OUT, so that an interrupted
run goes on. The sizes in ``detection/foreign.py`` were settled on seeds below 1000.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.foreign_networks import TRAIN_IMAGES, Training, draw, network, train
from benchmarks.foreign_pictures import Collection, Pictures
from safetensors.torch import load_file, save_file

from normscope.detection.detecting import detect
from normscope.writing import write_text

if TYPE_CHECKING:
    from torch import nn

IMAGES = 256
TRIED, TRIED_AT_32 = {"none", "flip"}, {"crop"}
"""Augmentations that ``detect`` tries by itself, the second at 32 pixels."""


def trained(training: Training, pictures: Pictures, folder: Path) -> nn.Module:
    """A network, trained once.

    Args:
        training: How.
        pictures: All images.
        folder: Holds the weights of those that are trained.

    Returns:
        The network, in evaluation mode.
    """
    file = folder / f"{training.seed}.safetensors"
    if not file.exists():
        images, labels = pictures.take(training.collection, True, TRAIN_IMAGES, training.seed)
        save_file(train(training, images, labels).state_dict(), file)
    model = network(training)
    model.load_state_dict(load_file(file))
    return model.eval()


def foreign(training: Training) -> Collection:
    """Images of another collection, as one takes them who does not have the training's.

    Args:
        training: Whose images are not at hand.

    Returns:
        The same size and number of channels.
    """
    g = np.random.default_rng([training.seed, 8])
    own = training.collection
    bases = {
        "cifar": ("scenes", "close", "animals", "vehicles"), "scenes": ("cifar", "close"),
        "close": ("cifar", "scenes"), "animals": ("vehicles", "scenes"), "digits": ("cifar",),
    }  # fmt: skip
    drawn = g.random()
    if drawn < 0.15 and own.base != "digits":
        return replace(own, quality=int(g.integers(15, 50)) if own.quality is None else None)
    if drawn < 0.25 and own.colour != "one":
        return replace(own, colour="grey" if own.colour == "colour" else "colour")
    return replace(own, base=str(g.choice(bases[own.base])), quality=None)


def augmentation_tried(training: Training) -> bool:
    """Whether ``detect`` tries by itself what the training did."""
    at_32 = TRIED_AT_32 if training.collection.size == 32 else set()
    return set(training.augmentation) <= TRIED | at_32


def measure(training: Training, pictures: Pictures, folder: Path) -> list[dict]:
    """Detect the normalization of one network twice.

    Args:
        training: Of the network.
        pictures: All images.
        folder: Of the weights.

    Returns:
        What was true and what was found with its own images and with others.
    """
    model = trained(training, pictures, folder)
    results = []
    for collection in (training.collection, foreign(training)):
        images, _ = pictures.take(collection, False, IMAGES, training.seed)
        start = time.perf_counter()
        found = detect(model, images, batch_size=training.batch_size, device="cpu")
        results.append(
            {
                "training": asdict(training),
                "images": asdict(collection),
                "matched": collection == training.collection and augmentation_tried(training),
                "found": found.to_json(),
                "seconds": time.perf_counter() - start,
            }
        )
    return results


def report(results: list[dict]) -> dict:
    """The figures of many results.

    Args:
        results: From ``measure``.

    Returns:
        Counts and shares, of matched images and of others.
    """
    parts = {
        "matched": [r for r in results if r["matched"]],
        "augmentation_unnamed": [
            r for r in results
            if not r["matched"] and r["images"] == r["training"]["collection"]
        ],
        "foreign": [r for r in results if r["images"] != r["training"]["collection"]],
        "foreign_or_unnamed": [r for r in results if not r["matched"]],
        "of_these_compressed": [
            r for r in results
            if not r["matched"]
            and (r["images"]["quality"] or r["training"]["collection"]["quality"])
        ],
    }  # fmt: skip
    return {name: _figures(part) for name, part in parts.items()}


def _figures(results: list[dict]) -> dict:
    named = [r for r in results if r["training"]["name"] is not None]
    others = [r for r in results if r["training"]["name"] is None]
    held = [held for r in results for held in intervals_that_hold(r)]
    right = [held for r in named if is_right(r) for held in intervals_that_hold(r)]
    return {
        "networks": len({r["training"]["seed"] for r in results}),
        "known": len(named),
        "known_said_to_be_none": sum(r["found"]["none_of_them"] > 0.5 for r in named),
        "known_verdict_none": sum(r["found"]["verdict"] == "none of the known" for r in named),
        "known_right": sum(map(is_right, named)),
        "known_wrong": sum(is_claimed(r) and not is_right(r) for r in named),
        "random": len(others),
        "random_said_to_be_none": sum(r["found"]["none_of_them"] > 0.5 for r in others),
        "random_verdict_none": sum(r["found"]["verdict"] == "none of the known" for r in others),
        "random_falsely_claimed": sum(map(is_claimed, others)),
        "constants": len(held),
        "intervals_that_hold": float(np.mean(held)) if held else None,
        "of_right_claims": [sum(right), len(right)],
        "median_seconds": float(np.median([r["seconds"] for r in results])) if results else None,
    }


def is_claimed(result: dict) -> bool:
    """Whether a known normalization has a confidence above 0.5."""
    return result["found"]["candidates"][0]["confidence"] > 0.5


def is_right(result: dict) -> bool:
    """Whether the right one has."""
    first = result["found"]["candidates"][0]
    return is_claimed(result) and first["name"] == result["training"]["name"]


def intervals_that_hold(result: dict) -> list[bool]:
    """For each constant whether its interval holds the true one."""
    return [
        low <= value <= high
        for what in ("mean", "std")
        for value, (low, high) in zip(
            result["training"][what], result["found"]["fitted"][f"{what}_interval"], strict=True
        )
    ]


def main() -> None:
    """Train, detect, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds cifar10-jpeg and imagenet-sample")
    parser.add_argument("--folder", type=Path, required=True, help="all is kept here")
    parser.add_argument("--results", default="results", help="name of the results' folder in it")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--only-train", action="store_true")
    arguments = parser.parse_args()
    kept = arguments.folder / arguments.results
    kept.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(arguments.data, arguments.folder)
    results = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.networks):
        training, file = draw(seed), kept / f"{seed}.json"
        if arguments.only_train:
            trained(training, pictures, arguments.folder)
            print(seed, flush=True)
            continue
        if not file.exists():
            write_text(file, json.dumps(measure(training, pictures, arguments.folder)) + "\n")
        results += json.loads(file.read_text(encoding="utf-8"))
        for result in results[-2:]:
            _print(result)
    print(json.dumps(report(results), indent=2))


def _print(result: dict) -> None:
    first, training = result["found"]["candidates"][0], result["training"]
    true = training["name"] or f"random {training['mean'][0]:.3g}/{training['std'][0]:.3g}"
    shown = "own" if result["images"] == training["collection"] else result["images"]["base"]
    print(
        f"{training['seed']} {training['collection']['base']} {','.join(training['augmentation'])} "
        f"by {shown}: {true}; first {first['name']} with {first['confidence']:.3f}, none of them "
        f"{result['found']['none_of_them']:.3f}, {sum(intervals_that_hold(result))} of "
        f"{2 * len(training['mean'])} held",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
