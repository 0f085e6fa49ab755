"""What a program takes: one batch of images, in which order of axes, or why it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from normscope.errors import NormscopeError
from normscope.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

MOST_CHANNELS = 16
"""A last axis of so few numbers behind one that is not known holds channels, not a width."""


@dataclass(frozen=True)
class ImageInput:
    """The one input of a program.

    Attributes:
        batch: How many images it takes at once; None for any number.
        channels: Of an image; None where it is not said.
        channels_last: Whether images come as ``(N, H, W, C)``.
        size: Their height and width; None where it is not said.
    """

    batch: int | None
    channels: int | None
    channels_last: bool
    size: tuple[int | None, int | None] = (None, None)

    @classmethod
    def of(cls, path: Path | str, name: str, shape: Sequence[object]) -> ImageInput:
        """Read it off what a file says of its input.

        Args:
            path: The file.
            name: The input's.
            shape: A length for each axis, or anything else where it varies.

        Returns:
            The input.

        Raises:
            NormscopeError: If that is no batch of images.
        """
        lengths = [n if isinstance(n, int) and n > 0 else None for n in shape]
        if len(lengths) != 4:
            shown = " x ".join("?" if n is None else str(n) for n in lengths) or "no axes"
            raise NormscopeError(
                f"{path} must take images of shape (N, C, H, W) or (N, H, W, C), got the input "
                f"{name} of {shown}. Choose a model of images."
            )
        second, last = lengths[1], lengths[3]
        if second is None:
            channels_last = last is not None and last <= MOST_CHANNELS
        else:
            channels_last = last is not None and last < second and lengths[2] != last
        size = (second, lengths[2]) if channels_last else (lengths[2], last)
        return cls(lengths[0], last if channels_last else second, channels_last, size)

    def arranged(self, images: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` with their axes in the input's order."""
        return images.permute(0, 2, 3, 1).contiguous() if self.channels_last else images

    def check(self, path: Path | str, images: Tensor) -> None:
        """Refuse images with other channels.

        Args:
            path: The file.
            images: Shape ``(N, C, H, W)``.

        Raises:
            NormscopeError: If they have.
        """
        if self.channels is not None and images.shape[1] != self.channels:
            raise NormscopeError(
                f"images must have {counted(self.channels, 'channel')} for {path}, got "
                f"{images.shape[1]}. Give such images, or --channels rgb or grey."
            )

    def in_batches(self, run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """The outputs of any number of images, in batches of the size that the program takes."""
        if self.batch is None:
            return run(images)
        outputs = []
        for part in images.split(self.batch):
            missing = self.batch - len(part)
            filled = torch.cat([part, part[:1].expand(missing, -1, -1, -1)]) if missing else part
            given = run(filled)
            outputs.append(given[: len(part)] if missing else given)
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]


def one_input(path: Path | str, names: Sequence[str]) -> str:
    """Refuse programs of several inputs.

    Args:
        path: The file.
        names: Of its inputs.

    Returns:
        The one's name.

    Raises:
        NormscopeError: If there is not exactly one.
    """
    return _only(path, names, "input, a batch of images", "the part of it that takes images alone")


def one_output(path: Path | str, names: Sequence[str]) -> str:
    """Refuse programs of several outputs, likewise."""
    return _only(path, names, "output, shape (N, classes)", "it with the classes' alone")


def _only(path: Path | str, names: Sequence[str], wanted: str, exported: str) -> str:
    if len(names) != 1:
        raise NormscopeError(
            f"{path} must have one {wanted}, got {len(names)} ({', '.join(names) or 'none'}). "
            f"Export {exported}."
        )
    return names[0]


TAKES = "normscope-takes"
"""The text in a folded program's file that says which type its pixels have: its code takes any."""


def check_floats(path: Path | str, name: str, kind: str) -> None:
    """Refuse an input that cannot hold normalized pixels.

    Args:
        path: The file.
        name: The input's.
        kind: The type of its numbers, such as ``"uint8"``.

    Raises:
        NormscopeError: If it takes integers.
    """
    if "float" in kind or "double" in kind:
        return
    said = "no normalized pixels. Export"
    if kind in {"uint8", "int8"}:
        said = (
            "raw pixels, so that its normalization lies inside it. Give the file that it was "
            "folded from, or export"
        )
    raise NormscopeError(
        f"{path} must take floats, normalized pixels, got the input {name} of {kind}: {said} the "
        "network without what stands in front of it."
    )


def as_answers(outputs: Tensor, images: Tensor, path: Path | str) -> Tensor:
    """A program's output as a network's: ``(N, outputs)`` where it is that in other words.

    Args:
        outputs: What it gave.
        images: For what.
        path: The file, for errors.

    Returns:
        The same without axes of length 1 at the end; as it is where there are others.

    Raises:
        NormscopeError: If it does not hold one part an image.
    """
    if outputs.ndim < 1 or len(outputs) != len(images):
        raise NormscopeError(
            f"{path} must give one answer an image, got outputs of shape {tuple(outputs.shape)} "
            f"for {len(images)} images. Export it with a batch of any size, or of 1."
        )
    if outputs.ndim > 2 and all(length == 1 for length in outputs.shape[2:]):
        outputs = outputs.flatten(1)
    return outputs
