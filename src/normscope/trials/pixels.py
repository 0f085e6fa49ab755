"""A split's images where the model is: held there as they are, normalized batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from normscope.images.tensors import per_channel, resident, shared
from normscope.machine.cores import images_together

if TYPE_CHECKING:
    from torch import Tensor

    from normscope.images.decoded import LabelledImages
    from normscope.trials.augmentation import Augmentation
    from normscope.trials.spec import TrialSpec


class ResidentImages:
    """A split kept in its own type on a trial's device.

    Args:
        images: The split.
        scale: Divides a pixel to bring it to [0, 1].
        spec: Names the device and the normalization.

    Raises:
        ChannelMismatch: If the normalization has another number of channels than the images.
    """

    def __init__(self, images: LabelledImages, scale: float, spec: TrialSpec) -> None:
        normalization = spec.normalization.for_channels(images.shape[1])
        self.device = torch.device(spec.device)
        self._pixels, self._rows = resident(images, self.device)
        self._labels = shared(images.labels).to(self.device)
        self._scale = scale
        like = torch.empty(0, device=self.device)
        self._mean, self._std = per_channel(normalization, like)

    def __len__(self) -> int:
        return len(self._labels)

    def together(self, most: int) -> int:
        """How many images a network is shown at a time where nothing is trained.

        Args:
            most: The largest number wanted, which a device other than a CPU gets.

        Returns:
            So few that a CPU's memory holds their maps, whatever their size.
        """
        if self.device.type != "cpu":
            return most
        height, width = self._pixels.shape[2:]
        return images_together(height, width, most)

    def batch(
        self, indices: Tensor, augmentation: Augmentation | None = None
    ) -> tuple[Tensor, Tensor]:
        """Some images, normalized, with their labels.

        Args:
            indices: Shape ``(B,)``, on any device.
            augmentation: Crops and flips them at random.

        Returns:
            float32 pixels of shape ``(B, C, H, W)``, and int64 labels of shape ``(B,)``.
        """
        indices = indices.to(self.device)
        chosen, labels = self._pixels[self._rows[indices]], self._labels[indices]
        if augmentation is None:
            return self._normalized(chosen), labels
        crops, inside = augmentation.cropped(chosen)
        if augmentation.padding == "before":
            deep = crops.dtype != torch.uint8  # of some types torch has no products
            return self._normalized((crops.float() if deep else crops) * inside), labels
        return self._normalized(crops).mul_(inside), labels

    def _normalized(self, pixels: Tensor) -> Tensor:
        return pixels.float().div_(self._scale).sub_(self._mean).div_(self._std)
