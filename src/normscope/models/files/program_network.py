"""A program of torch as a network: always in evaluation mode, whatever it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope.errors import NormscopeError
from normscope.models.files.image_input import ImageInput, as_answers
from normscope.models.outputs import only_tensor
from normscope.wording import first_line

if TYPE_CHECKING:
    from pathlib import Path

ANY_IMAGES = ImageInput(None, None, channels_last=False)


class ProgramNetwork(nn.Module):
    """A program that takes float images and gives one tensor.

    Args:
        program: Called with a batch.
        path: The file that it comes from, or its name.
        given: What the file says of its input.
        dtype: Of the images that it takes; None for that of its weights.
    """

    def __init__(
        self,
        program: nn.Module,
        path: Path | str,
        given: ImageInput = ANY_IMAGES,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.program = program
        self.training = False
        self.path = path
        self.input = given
        weights = (t for t in program.state_dict().values() if t.is_floating_point())
        self.dtype = dtype or next((t.dtype for t in weights), torch.float32)

    def train(self, mode: bool = True) -> ProgramNetwork:  # noqa: ARG002 - torch's
        """Stay in evaluation mode, which a program was exported in."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> ProgramNetwork:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move to a device, and keep types and layout, which a program was exported with."""
        device = torch._C._nn._parse_to(*args, **kwargs)[0]  # pyright: ignore[reportAttributeAccessIssue]
        if device is not None:
            self.program.to(device)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """The outputs ``(N, outputs)`` of normalized images ``(N, C, H, W)``."""
        self.input.check(self.path, images)
        given = self.input.arranged(images.to(self.dtype))
        outputs = self.input.in_batches(self._run, given)
        return as_answers(outputs, images, self.path).to(images.device, torch.float32)

    def _run(self, images: Tensor) -> Tensor:
        try:
            outputs = self.program(images)
        except (NormscopeError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a stranger's program raises
            raise NormscopeError(
                f"{self.path} must take images of shape {tuple(images.shape)}, got: "
                f"{reason_of(error)}. Give --resize and --crop as in its evaluation."
            ) from None
        return only_tensor(outputs, str(self.path))


def reason_of(error: Exception) -> str:
    """What happened in a program, of all that its error says."""
    # TorchScript ends with what happened, after where it did.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line.partition("Error: ")[2] for line in lines if "Error: " in line]
    return first_line(told[-1] if told else error)
