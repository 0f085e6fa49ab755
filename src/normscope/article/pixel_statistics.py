"""The study's statistics of pixels, by its averages over batches of 256."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.article.agreement import Row
from normscope.statistics.stats import stats

if TYPE_CHECKING:
    from normscope.article.setting import Figures, Measured, Setting
    from normscope.statistics.collection_statistics import CollectionStatistics

BATCH = 256


def mnist_statistics(figures: Figures, setting: Setting) -> Measured:
    """Average over MNIST's batches, of both splits."""
    rows, notes = [], []
    for split in ("train", "test"):
        found = stats(setting.source, split=split, batch_size=BATCH, root=setting.root)
        labels = {"mean": [f"{split} mean"], "std": [f"{split} std"]}
        rows += _rows(labels, figures, found, shrunk=setting.source != "mnist")
        notes.append(f"All pixels of {split}: {found.mean.value[0]:.6f}/{found.std.value[0]:.6f}.")
    return rows, notes


def imagenet_statistics(figures: Figures, setting: Setting) -> Measured:
    """Average over batches of resized and cropped photographs, of each split that is there."""
    rows, notes = [], []
    if setting.images != "imagenet":
        notes.append(f"{setting.images} stands in for ImageNet.")
    for split, prefix in (("train", ""), ("val", "validation ")):
        if not (Path(setting.images) / split).is_dir():
            notes.append(f"{setting.images} has no {split}/, so those figures are not measured.")
            continue
        found = stats(setting.images, split=split, batch_size=BATCH, resize=256, crop=224)
        labels = {
            kind: [f"{prefix}{kind} {channel}" for channel in "RGB"] for kind in ("mean", "std")
        }
        rows += _rows(labels, figures, found, shrunk=setting.images != "imagenet")
        exact = (", ".join(f"{v:.4f}" for v in e.value) for e in (found.mean, found.std))
        notes.append(f"All {found.images:,} images of {split}, every pixel: {' / '.join(exact)}.")
    return rows, notes


def _rows(
    labels: dict[str, list[str]], figures: Figures, found: CollectionStatistics, *, shrunk: bool
) -> list[Row]:
    assert found.batch_mean is not None
    assert found.batch_std is not None
    measured = {"mean": found.batch_mean.value, "std": found.batch_std.value}
    return [
        Row(label, figures[label], value, 0.0, shrunk=shrunk)
        for kind, values in measured.items()
        for label, value in zip(labels[kind], values, strict=True)
    ]
