"""The notebook's training loop, written out plainly from its description.

It shares nothing with the trainer but LeNet itself: images go one by one through torchvision's
transforms and a DataLoader, as the notebook has them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class OneByOne(Dataset):
    def __init__(self, pixels, labels, mean: float, std: float) -> None:
        self.pixels, self.labels = pixels, labels
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((mean,), (std,))]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int):
        return self.transform(Image.fromarray(self.pixels[index, 0])), int(self.labels[index])


def notebook_loop(model, train, test, mean: float, std: float, epochs: int) -> list[float]:
    """Test accuracy after every epoch; dropout draws from torch's global generator."""
    # A loader draws a seed for its workers at every pass; its own generator keeps that apart.
    own = torch.Generator()
    train_images = OneByOne(train.pixels, train.labels, mean, std)
    test_images = OneByOne(test.pixels, test.labels, mean, std)
    train_loader = DataLoader(train_images, batch_size=64, generator=own)
    test_loader = DataLoader(test_images, batch_size=1000, generator=own)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, "max")
    accuracies = []
    for _ in range(epochs):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            F.nll_loss(model(images), labels).backward()
            optimizer.step()
        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in test_loader:
                right += int((model(images).argmax(1) == labels).sum())
        accuracies.append(right / len(test.labels))
        scheduler.step(accuracies[-1])
    return accuracies
