"""What a user chooses of a detection: every option once, for the command line and for Python."""

from __future__ import annotations

from dataclasses import KW_ONLY, MISSING, dataclass
from pathlib import Path
from typing import Any

from normscope.options import CHANNELS, CROP, DEVICE, RESIZE, ROOT, SCALE, WEIGHTS, option


@dataclass(frozen=True)
class DetectOptions:
    """Which network, with which images, and what is known of its training."""

    model: str | Any = option(
        MISSING,
        "lenet-bn, resnet20, a torchvision classification model, timm/NAME, hf/NAME, "
        "package.module:factory, or a path: .onnx or a Hugging Face or timm folder.",
        metavar="MODEL",
        argument=True,
        python="A torch.nn.Module, or a name: lenet-bn, resnet20, a torchvision classification "
        "model, timm/NAME, hf/NAME or package.module:factory; or the path of an .onnx file or of a "
        "Hugging Face or timm folder.",
    )
    images: str | Any = option(
        MISSING,
        "Images like the ones it was trained on, without labels: a folder, a .tar, or anything "
        "that normscope stats accepts.",
        metavar="FOLDER",
    )
    _: KW_ONLY
    weights: str | Path | None = option(None, WEIGHTS)
    augmentation: str | None = option(
        None,
        "The augmentation it was trained with: none, cropN (a random crop after padding with N "
        "black pixels, then normalized), cropN-after (padded with zeros after normalizing), flip, "
        "or crop4,flip. By default the usual ones are tried.",
    )
    batch_size: int = option(
        128, "Batch size it was trained with: small batches make BatchNorm's averages noisier."
    )
    count: int = option(512, "How many images to use.")
    resize: str | int | tuple[int, int] | None = option(None, RESIZE)
    crop: int | None = option(None, CROP)
    channels: str | None = option(None, CHANNELS)
    scale: float | None = option(None, SCALE)
    device: str = option("auto", DEVICE)
    root: Path | str | None = option(None, ROOT)
