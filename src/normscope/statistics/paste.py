"""The normalization as other libraries take it, ready to be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normscope.statistics.collection_statistics import CollectionStatistics

SIGNIFICANT = 6

FORMATS = (
    "torchvision", "timm", "albumentations", "huggingface", "monai", "torchgeo", "keras",
    "openvino",
)  # fmt: skip
USUAL = FORMATS[:4]
"""Those that are shown where none is asked for."""


def paste_lines(statistics: CollectionStatistics) -> dict[str, str]:
    """One line for each library, by its name in ``FORMATS``.

    Args:
        statistics: With no constant channel.

    Returns:
        Python or options. The first four and Keras take pixels of [0, 1] (albumentations and
        Hugging Face divide by the scale themselves), the others the pixels' own values.
    """
    normalization = statistics.normalization
    mean, std = (_rounded(values) for values in (normalization.mean, normalization.std))
    stored_mean, stored_std = (
        _rounded(value * statistics.scale for value in values)
        for values in (normalization.mean, normalization.std)
    )
    variance = _rounded(value**2 for value in normalization.std)
    spaced = (" ".join(map(str, values)) for values in (mean, std))
    scale = f"{statistics.scale:.10g}"
    return {
        "torchvision": f"transforms.Normalize(mean={mean}, std={std})",
        "timm": "--mean {} --std {}".format(*spaced),
        "albumentations": f"A.Normalize(mean={mean}, std={std}, max_pixel_value={scale})",
        "huggingface": f"AutoImageProcessor.from_pretrained(NAME, image_mean={mean}, "
        f"image_std={std}, rescale_factor=1 / {scale})",
        "monai": f'NormalizeIntensityd(keys="image", subtrahend={stored_mean}, '
        f"divisor={stored_std}, channel_wise=True)",
        "torchgeo": f"datamodule.mean, datamodule.std = torch.tensor({stored_mean}), "
        f"torch.tensor({stored_std})",
        "keras": f"keras.layers.Normalization(mean={mean}, variance={variance})",
        "openvino": f"ppp.input().preprocess().mean({stored_mean}).scale({stored_std})",
    }


def _rounded(values) -> list[float]:
    return [float(f"{value:.{SIGNIFICANT}g}") for value in values]
