"""Small networks as files of every kind."""

from __future__ import annotations

import warnings
import zipfile
from typing import TYPE_CHECKING

import torch
from torch import nn

from normscope.models.building import build_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIXELS = 16
SIZES = {"channels": 3, "classes": 4, "image_size": (PIXELS, PIXELS)}


def small_network(channels: int = 3, outputs: int = 4) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, outputs),
    )  # fmt: skip
    network[1].running_mean.uniform_(-1, 1)
    network[1].running_var.uniform_(0.5, 2)
    return network.eval()


def some_images(count: int = 3, channels: int = 3, pixels: int = PIXELS) -> torch.Tensor:
    return torch.randn(count, channels, pixels, pixels, generator=torch.Generator().manual_seed(1))


def built(path: Path, **sizes) -> nn.Module:
    return build_model(str(path), **{**SIZES, **sizes}).eval()


def changed(source: Path, path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """A copy of an archive in which some members are other ones."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return path


def write_program(network: nn.Module, path: Path, images: torch.Tensor) -> Path:
    shapes = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(network, (images,), dynamic_shapes=shapes), path)
    return path


def write_script(network: nn.Module, path: Path, images: torch.Tensor | None = None) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.script(network) if images is None else torch.jit.trace(network, images)
        torch.jit.save(script, path)
    return path


def write_onnx(network: nn.Module, path: Path, images: torch.Tensor, *, batch=None) -> Path:
    """By the exporter that needs no onnxscript and is fast; any batch unless it is fixed."""
    axes = {"images": {0: "batch"}} if batch is None else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (images[:batch],), path, dynamo=False, input_names=["images"],
            output_names=["outputs"], dynamic_axes=axes,
        )  # fmt: skip
    return path
