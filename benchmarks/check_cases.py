"""Twelve staged cases for ``normscope check``: is the first word right, and how soon?

    python -m benchmarks.check_cases [--count 200] [--only NAME ...]

Needs NORMSCOPE_DATA and NORMSCOPE_WEIGHTS. Each case is timed alone: wall-clock and CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.transforms import v2

from normscope import check
from normscope.images.decode import decode_8_bits
from normscope.images.finding import find_images
from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.normalization import IMAGENET

if TYPE_CHECKING:
    from collections.abc import Callable

MEAN, STD = list(IMAGENET.mean), list(IMAGENET.std)
BITS = 12


@dataclass(frozen=True)
class Case:
    """A staged case.

    Attributes:
        name: What is staged.
        word: The right verdict.
        says: What the sentence must hold.
        model: As ``check`` takes it.
        images: Likewise.
        given: The other options.
    """

    name: str
    word: str
    says: str
    model: str
    images: Path
    given: dict[str, Any] = field(default_factory=dict)


def pipeline(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Any], torch.Tensor]:
    """A transform that hands over what a function makes of floats of 0..255."""
    return v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32), v2.Lambda(change)])


def normalized(pixels: torch.Tensor, mean: list[float] = MEAN, std: list[float] = STD):
    """``(pixels - mean) / std``."""
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


class WithNormalization(nn.Module):
    """A network that normalizes by itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits for pixels of [0, 1]."""
        return self.network((pixels - self.mean) / self.std)


def export(network: nn.Module, size: int, path: Path) -> str:
    """Write a network as ONNX, its BatchNorms folded away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (torch.zeros(1, 3, size, size),), str(path), dynamo=False,
            input_names=["images"], dynamic_axes={"images": {0: "batch"}},
        )  # fmt: skip
    return str(path)


def resnet20(weights: Path) -> nn.Module:
    """The network of CIFAR-10."""
    options = ModelOptions(weights=str(weights))
    return build_model("resnet20", channels=3, classes=10, image_size=(32, 32), options=options)


def squeezenet(weights: Path) -> nn.Module:
    """The network of ImageNet."""
    options = ModelOptions(weights=str(weights))
    return build_model(
        "squeezenet1_1", channels=3, classes=1000, image_size=(224, 224), options=options
    )


STATED = {"mean": json.dumps(MEAN), "std": json.dumps(STD)}
"""Metadata of weights."""


def processor(folder: Path, rescale_factor: float) -> str:
    """Write the configuration of an image processor of Hugging Face's."""
    folder.mkdir()
    said = {
        "image_processor_type": "ViTImageProcessor",
        "do_rescale": True,
        "rescale_factor": rescale_factor,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
        "do_resize": True,
        "size": {"height": 224, "width": 224},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return str(folder)


def deep_images(source: Path, folder: Path, count: int) -> Path:
    """Write images anew with 12 bits in 16."""
    images = list(find_images(source))
    for place in np.unique(np.linspace(0, len(images) - 1, count).astype(int)):
        pixels = decode_8_bits(images[place].read()).values[0]
        pixels = np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0)[..., ::-1]
        target = folder / "val" / Path(images[place].name).parent.name
        target.mkdir(parents=True, exist_ok=True)
        deep = np.ascontiguousarray(pixels).astype(np.uint16) << (BITS - 8)
        cv2.imwrite(str(target / "image.png"), deep)
    return folder


def flat_images(source: Path, folder: Path, count: int) -> Path:
    """Copy images into one folder, so that nothing labels them."""
    folder.mkdir()
    images = list(find_images(source))
    for place in np.unique(np.linspace(0, len(images) - 1, count).astype(int)):
        (folder / f"{place}.jpg").write_bytes(images[place].read())
    return folder


def staged(data: Path, weights: Path, work: Path, count: int) -> list[Case]:
    """The cases, with the files that they need."""
    big, small = data / "imagenet-sample", data / "cifar10-jpeg" / "test.tar"
    # Beside them stands what they expect: their name alone says it of torchvision's own.
    of_big = work / "squeezenet1_1.safetensors"
    # What torchvision states of its own weights would be weak evidence of a file's.
    save_file(load_file(weights / "squeezenet1_1-imagenet.safetensors"), of_big, STATED)
    of_small = weights / "resnet20-cifar10.safetensors"
    resnet = {"model": "resnet20", "images": small}
    squeeze = {"model": "squeezenet1_1", "images": big}

    def on_small(name: str, says: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Case:
        given = {"weights": of_small, "pipeline": pipeline(change)}
        return Case(name, "wrong", says, **resnet, given=given)

    (work / "onnx").mkdir()
    inside = export(WithNormalization(resnet20(of_small)), 32, work / "onnx" / "inside.onnx")
    bare = export(squeezenet(of_big), 224, work / "onnx" / "bare.onnx")
    flat = flat_images(big, work / "flat", count)
    half_pipeline = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    return [
        Case("right", "right", "", **squeeze, given={"weights": of_big, "norm": "imagenet"}),
        Case(
            "half for imagenet", "wrong", "normalized with half", **squeeze,
            given={"weights": of_big, "norm": "half"},
        ),
        on_small("twice", "normalized twice", lambda x: normalized(normalized(x / 255))),
        on_small("bgr", "BGR for RGB", lambda x: normalized(x.flip(0) / 255)),
        on_small("0..255", "not divided by 255", normalized),
        on_small(
            "no std", "nothing is divided by the std",
            lambda x: normalized(x / 255, MEAN, [1.0] * 3),
        ),
        on_small(
            "mean in the place of std", "the mean stands in the place of the std",
            lambda x: normalized(x / 255, MEAN, MEAN),
        ),
        Case(
            "wrong rescale_factor", "wrong", "scaled by 2", **squeeze,
            given={"weights": of_big, "processor": processor(work / "processor", 1 / 127.5)},
        ),
        Case(
            "right by config, wrong pipeline", "wrong", "normalized with half",
            "squeezenet1_1", flat, {"weights": of_big, "pipeline": half_pipeline},
        ),
        Case(
            "inside and outside", "wrong", "by the model itself", inside, small,
            {"norm": "imagenet"},
        ),
        Case(
            "16-bit images", "wrong", "--scale 4095", "squeezenet1_1",
            deep_images(big, work / "deep", count), {"weights": of_big, "norm": "imagenet"},
        ),
        Case(
            "cannot tell", "cannot tell", "--labels", bare, flat,
            {"norm": "imagenet", "resize": 256, "crop": 224},
        ),
    ]  # fmt: skip


def main() -> int:
    """Run the cases, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--only", nargs="*", default=[])
    chosen = parser.parse_args()
    data, weights = Path(os.environ["NORMSCOPE_DATA"]), Path(os.environ["NORMSCOPE_WEIGHTS"])
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        cases = staged(data, weights, Path(folder), chosen.count)
        for case in cases:
            if chosen.only and case.name not in chosen.only:
                continue
            seconds, cpu = time.perf_counter(), time.process_time()
            found = check(case.model, images=case.images, count=chosen.count, **case.given)
            seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
            good = found.verdict == case.word and case.says in found.sentence
            wrong += not good
            print(f"{'ok ' if good else 'BAD'} {case.name}: {seconds:.0f} s, CPU {cpu:.0f} s")
            print(f"    {found.sentence}")
            for line in found.evidence:
                print(f"      - {line.source}: {line.says}", flush=True)
    print(f"{wrong} of the answers are wrong.")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
