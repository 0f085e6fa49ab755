"""How fast ``normscope stats`` is, against the notebook's way and against the machine.

Run ``python -m benchmarks.stats`` with ``NORMSCOPE_DATA`` set, on a machine that does nothing else.
Each round times every contestant once, one after another, so that they share the machine's moods;
the ratios are of the medians over the rounds.

The notebook's function (Perrinet 2024, doi:10.5281/zenodo.14602370) averages the mean and the
variance of batches of 256 that a data loader with 4 workers delivers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.io import decode_jpeg

from normscope.images.idx import read_idx
from normscope.statistics.stats import stats

WORKERS = 2


def notebook(dataset) -> tuple[list[float], list[float]]:
    """The notebook's function.

    Args:
        dataset: Yields tensors in [0, 1] with labels.

    Returns:
        Mean and std of each channel.
    """
    loader = DataLoader(dataset, batch_size=256, num_workers=4)
    means, variances = 0.0, 0.0
    for images, _ in loader:
        means = means + images.mean((0, 2, 3))
        variances = variances + images.var((0, 2, 3))
    return (means / len(loader)).tolist(), (variances / len(loader)).sqrt().tolist()


def decode_only(paths: list[Path]) -> None:
    """Decode every file and drop the pixels, in as many threads as the statistics have.

    Args:
        paths: JPEG files.
    """

    def decode(path: Path) -> None:
        decode_jpeg(torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(decode, paths))


def with_mean_std_dev(paths: list[Path]) -> None:
    """Decode by OpenCV and take each image's mean and std by ``cv2.meanStdDev``.

    Args:
        paths: JPEG files.
    """

    def measure(path: Path) -> None:
        cv2.meanStdDev(cv2.imread(str(path)))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(measure, paths))


def two_pass(images: np.ndarray) -> tuple[float, float]:
    """Mean, then mean squared deviation from it, in NumPy's float64.

    Args:
        images: Any uint8 array.

    Returns:
        Mean and std in [0, 1].
    """
    pixels = images.astype(np.float64)
    mean = pixels.mean()
    pixels -= mean
    return mean / 255, np.sqrt(np.square(pixels, out=pixels).mean()) / 255


def time_rounds(contestants: dict[str, object], rounds: int) -> dict[str, float]:
    """Time contestants in turn.

    Args:
        contestants: Functions by name.
        rounds: How often each is timed.

    Returns:
        The median seconds of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"  {name}: {median:.3f} s")
    return medians


def resized(folder: Path, rounds: int) -> None:
    """The ImageNet sample, resized to 256 and cropped to 224.

    Args:
        folder: Holds one folder per class.
        rounds: How often to time.
    """
    transform = transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
    ])  # fmt: skip
    dataset = datasets.ImageFolder(folder, transform)
    print("ImageNet sample, resize 256 and crop 224")
    seconds = time_rounds(
        {
            "notebook": lambda: notebook(dataset),
            "normscope": lambda: stats(folder, resize=256, crop=224, workers=WORKERS),
        },
        rounds,
    )
    print(f"  {seconds['notebook'] / seconds['normscope']:.2f} times as fast (3 needed, 5 aimed)")


def native(folder: Path, rounds: int) -> None:
    """The ImageNet sample as it is.

    Args:
        folder: Holds one folder per class.
        rounds: How often to time.
    """
    paths = sorted(folder.rglob("*.JPEG"))
    print("ImageNet sample, native size")
    seconds = time_rounds(
        {
            "decoding alone": lambda: decode_only(paths),
            "normscope": lambda: stats(folder, workers=WORKERS),
            "cv2.imread and cv2.meanStdDev": lambda: with_mean_std_dev(paths),
        },
        rounds,
    )
    share = seconds["decoding alone"] / seconds["normscope"]
    print(f"  {share:.3f} of the rate of decoding alone (0.75 needed, 0.9 aimed)")


def in_memory(root: Path, rounds: int) -> None:
    """MNIST with the images in memory.

    Args:
        root: Holds ``MNIST/raw``.
        rounds: How often to time.
    """
    images = read_idx(root / "MNIST" / "raw" / "train-images-idx3-ubyte.gz")
    tensors = torch.utils.data.TensorDataset(
        torch.from_numpy(images.copy())[:, None] / 255, torch.zeros(len(images))
    )
    print("MNIST train, in memory")
    seconds = time_rounds(
        {
            "notebook": lambda: notebook(tensors),
            "normscope": lambda: stats(images, workers=WORKERS),
            "two passes of NumPy": lambda: two_pass(images),
            "cv2.meanStdDev": lambda: cv2.meanStdDev(images.reshape(-1, 28)),
        },
        rounds,
    )
    print(f"  {seconds['notebook'] / seconds['normscope']:.1f} times as fast (40 needed)")


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("NORMSCOPE_DATA"))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data or NORMSCOPE_DATA must name the folder of real images")
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    # Imports and first-call set-up are no one's speed.
    stats("digits", workers=WORKERS)
    folder = arguments.data / "imagenet-sample" / "val"
    in_memory(arguments.data, arguments.rounds)
    native(folder, arguments.rounds)
    resized(folder, arguments.rounds)


if __name__ == "__main__":
    main()
