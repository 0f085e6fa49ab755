"""A program of torch as a network: always in evaluation mode, whatever it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope.errors import NormscopeError
from normscope.models.files.image_input import ImageInput, as_answers
from normscope.models.files.regular_file import first_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANY_IMAGES = ImageInput(None, None, channels_last=False)


class ProgramNetwork(nn.Module):
    """A program that takes float images and gives one tensor.

    Args:
        program: Called with a batch.
        path: The file that it comes from.
        given: What the file says of its input.
        dtype: Of the images that it takes; None for those that come.
    """

    def __init__(
        self,
        program: Callable[[Tensor], Any],
        path: Path,
        given: ImageInput = ANY_IMAGES,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.program = program
        self.path = path
        self.input = given
        self._dtype = dtype

    def train(self, mode: bool = True) -> ProgramNetwork:  # noqa: ARG002 - torch's
        """Stay in evaluation mode, which a program was exported in."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """The outputs ``(N, outputs)`` of normalized images ``(N, C, H, W)``."""
        self.input.check(self.path, images)
        given = images if self._dtype is None else images.to(self._dtype)
        if self.input.channels_last:
            given = given.permute(0, 2, 3, 1).contiguous()
        size = self.input.batch or max(1, len(given))
        parts = [self._run(part, size) for part in given.split(size)]
        outputs = torch.cat(parts) if len(parts) > 1 else parts[0]
        return as_answers(outputs, images, self.path).to(torch.float32)

    def _run(self, images: Tensor, size: int) -> Tensor:
        missing = size - len(images) if self.input.batch else 0
        if missing:
            images = torch.cat([images, images[:1].expand(missing, -1, -1, -1)])
        try:
            outputs = self.program(images)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's program raises
            raise NormscopeError(
                f"{self.path} must take images of shape {tuple(images.shape)}, got: "
                f"{_reason(error)}. Give --resize and --crop as in its evaluation."
            ) from None
        outputs = only_tensor(outputs, str(self.path))
        return outputs[: len(images) - missing] if missing else outputs


def only_tensor(outputs: Any, name: str) -> Tensor:
    """The one tensor in what a program gives.

    Args:
        outputs: A tensor, or a tuple, list or mapping with one; or a mapping with ``logits``.
        name: What is called so in errors.

    Returns:
        The tensor.

    Raises:
        NormscopeError: If there is none, or several.
    """
    if isinstance(outputs, dict):
        outputs = [outputs["logits"]] if "logits" in outputs else list(outputs.values())
    if isinstance(outputs, list | tuple):
        if len(outputs) != 1:
            raise NormscopeError(
                f"{name} must have one output, shape (N, classes), got {len(outputs)}. "
                "Export it with the classes' alone."
            )
        outputs = outputs[0]
    if not isinstance(outputs, Tensor):
        raise NormscopeError(
            f"{name} must give a tensor of shape (N, classes), got {type(outputs).__name__}. "
            "Export it with the classes' alone."
        )
    return outputs


def _reason(error: Exception) -> str:
    # TorchScript ends with what happened, after where it did.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line.partition("Error: ")[2] for line in lines if "Error: " in line]
    return first_line(told[-1] if told else error)
