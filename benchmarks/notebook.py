"""The notebook's way: torchvision's data set, transforms image by image, the plain loop in fp32."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

from normscope.models.lenet import LeNet


class Images(MNIST):
    """torchvision's MNIST over arrays that are at hand; its ``__getitem__`` is torchvision's."""

    def __init__(self, images, mean: float, std: float) -> None:
        self.data = torch.from_numpy(images.pixels[:, 0].copy())
        self.targets = torch.from_numpy(images.labels.copy())
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((mean,), (std,))]
        )
        self.target_transform = None


class Notebook:
    """A training of the notebook, to be run epoch by epoch.

    Args:
        source: The images.
        mean: What they are normalized with.
        std: Likewise.
        loaders: Worker processes of each DataLoader.
    """

    def __init__(self, source, mean: float, std: float, loaders: int) -> None:
        self._train = DataLoader(Images(source.train, mean, std), 64, num_workers=loaders)
        self._test = DataLoader(Images(source.test, mean, std), 1000, num_workers=loaders)
        self._model = LeNet()
        self._optimizer = torch.optim.Adadelta(self._model.parameters(), lr=1.0)
        self._schedule = ReduceLROnPlateau(self._optimizer, "max")

    def epoch(self) -> float:
        """Train on every image, then test.

        Returns:
            The test accuracy.
        """
        self._model.train()
        for pixels, labels in self._train:
            self._optimizer.zero_grad()
            F.nll_loss(self._model(pixels), labels).backward()
            self._optimizer.step()
        self._model.eval()
        right = 0
        with torch.no_grad():
            for pixels, labels in self._test:
                right += int((self._model(pixels).argmax(1) == labels).sum())
        accuracy = right / len(self._test.dataset)
        self._schedule.step(accuracy)
        return accuracy
