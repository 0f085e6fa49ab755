"""What a trial needs before it can run: its images split, their statistics, and its device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError, UnknownName, WorkFailed
from normscope.images.opening import open_source
from normscope.images.splits import with_train_images, with_validation
from normscope.normalization import Normalization
from normscope.statistics.moments import Moments

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.images.decoded import DecodedSource
    from normscope.trials.recipe import Recipe

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class PreparedSource:
    """A source as its trials see it.

    Attributes:
        source: With the splits that the recipe needs.
        fingerprint: Digest of the whole source, before any split was drawn.
        data: The statistics of its training and validation images.
    """

    source: DecodedSource
    fingerprint: str
    data: Normalization


def prepare_source(
    name: str, root: Path | None, recipe: Recipe, train_images: int | None
) -> PreparedSource:
    """Open a source and split it as a recipe needs it.

    Args:
        name: What the user named it.
        root: Where named data sets are looked for first.
        recipe: Says whether images are held back for validation.
        train_images: How many training images to keep; None keeps all.

    Returns:
        The source, split, with its statistics.
    """
    whole = open_source(name, root)
    split = with_validation(whole) if recipe.selection == "validation" else whole
    moments = Moments.of(whole.train.pixels)
    if whole.validation is not None:
        moments = moments.merge(Moments.of(whole.validation.pixels))
    return PreparedSource(
        source=with_train_images(split, train_images),
        fingerprint=whole.fingerprint(),
        data=Normalization(moments.mean(whole.scale), moments.std(whole.scale)),
    )


def resolve_device(device: str) -> str:
    """The device that a name stands for on this machine.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Returns:
        ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises:
        UnknownName: If the name is unknown.
        NormscopeError: If the machine has no such device.
    """
    import torch

    if device not in DEVICES:
        raise UnknownName("--device", device, DEVICES)
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, there in present.items() if there)
    if not present[device]:
        raise NormscopeError(
            f"--device {device} must be present and supported by the installed torch, got neither "
            "here. Use --device auto."
        )
    return device


def check_skipped(source: DecodedSource, strict: bool) -> None:
    """Refuse a source with images that could not be read, where the user asked for that.

    Args:
        source: Any source.
        strict: Whether a skipped image is an error.

    Raises:
        WorkFailed: If images were skipped and ``strict`` holds.
    """
    if strict and source.skipped:
        first = source.skipped[0]
        raise WorkFailed(
            f"every image of {source.name} must be readable under --strict, "
            f"got {len(source.skipped)} that are not, such as {first.path}: {first.reason}. "
            "Mend or remove them."
        )
