"""The normalization as other libraries take it, ready to be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normscope.statistics.collection_statistics import CollectionStatistics

SIGNIFICANT = 6


def paste_lines(statistics: CollectionStatistics) -> dict[str, str]:
    """One line for each library, by its name."""
    normalization = statistics.normalization
    mean, std = (
        [float(f"{value:.{SIGNIFICANT}g}") for value in values]
        for values in (normalization.mean, normalization.std)
    )
    spaced = (" ".join(map(str, values)) for values in (mean, std))
    scale = f"{statistics.scale:.10g}"
    return {
        "torchvision": f"transforms.Normalize(mean={mean}, std={std})",
        "timm": "--mean {} --std {}".format(*spaced),
        "albumentations": f"A.Normalize(mean={mean}, std={std}, max_pixel_value={scale})",
        "Hugging Face": f"AutoImageProcessor.from_pretrained(NAME, image_mean={mean}, "
        f"image_std={std}, rescale_factor=1 / {scale})",
    }
