"""The pipeline under test: a user's own transform, from a Pillow image to a tensor."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from normscope.auditing.batch_images import image_in
from normscope.errors import NormscopeError
from normscope.models.importing import import_callable
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from torch import Tensor


class Pipeline:
    """Calls a transform on encoded images, opened as torchvision's loader opens them.

    Args:
        transform: Takes a Pillow image and gives floats, or bytes that are normalized later, of
            shape ``(C, H, W)`` or ``(H, W, C)``: a tensor or an array, alone, in a batch of one or
            in a mapping or tuple; or its name, ``package.module:transform``.
        channels: How many channels the network takes.

    Raises:
        NormscopeError: If the name cannot be imported, or does not name a callable.
    """

    def __init__(self, transform: str | Callable[[Any], Tensor], channels: int) -> None:
        if isinstance(transform, str):
            self.name = transform
            purpose = "takes a Pillow image and gives a tensor"
            self._transform = import_callable(transform, "--pipeline", "transform", purpose)
        else:
            self.name = getattr(transform, "__name__", type(transform).__name__)
            self._transform = transform
        self._channels = channels

    def __call__(self, data: bytes, path: str) -> Tensor:
        """Prepare one image.

        Args:
            data: The file's bytes, of an image that can be decoded.
            path: What it is called in errors.

        Returns:
            uint8, float32 or whatever float the transform gives, shape ``(C, H, W)``.

        Raises:
            NormscopeError: If Pillow cannot open the image, or if the transform raises or gives
                something else.
        """
        image = self._opened(data, path)
        try:
            tensor = self._transform(image)
        except (Exception, SystemExit) as error:
            raise NormscopeError(
                f"--pipeline {self.name} must take a Pillow image, got {type(error).__name__}: "
                f"{first_line(error)}, for {path}. Mend the transform."
            ) from error
        return self._checked(tensor, path)

    def _opened(self, data: bytes, path: str) -> Image:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(data)) as opened:
                return opened.convert("L" if self._channels == 1 else "RGB")
        except Exception as error:  # Pillow raises many kinds at what others read
            reason = first_line(error)
            if isinstance(error, Image.UnidentifiedImageError):
                reason = "not an image in a format that it knows"
            raise NormscopeError(
                f"Pillow must open every image for --pipeline {self.name}, got {path}: {reason}. "
                "Convert the images, or give --norm in its place."
            ) from error

    def _checked(self, tensor: Any, path: str) -> Tensor:
        import torch

        met = type(tensor).__name__
        tensor = image_in(tensor, self._channels)
        if isinstance(tensor, torch.Tensor):
            met = f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
            if (
                (tensor.is_floating_point() or tensor.dtype == torch.uint8)
                and tensor.ndim == 3
                and len(tensor) == self._channels
                and tensor.numel()
            ):
                if not bool(tensor.isfinite().all()):
                    raise NormscopeError(
                        f"--pipeline {self.name} must give finite numbers, got nan or inf for "
                        f"{path}. Mend the transform."
                    )
                return tensor.detach()
        raise NormscopeError(
            f"--pipeline {self.name} must give floats or bytes of shape ({self._channels}, H, W), "
            f"got {met} for {path}. Mend the transform."
        )
