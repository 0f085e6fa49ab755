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
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.io import decode_jpeg

from normscope.images.idx import read_idx
from normscope.statistics.stats import stats

if TYPE_CHECKING:
    from collections.abc import Callable

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


def tables(folder: Path, rounds: int) -> None:
    """The ImageNet sample's files as rows of a Parquet file.

    Args:
        folder: Holds one folder per class.
        rounds: How often to time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = [path.read_bytes() for path in sorted(folder.rglob("*.JPEG"))]
    with tempfile.TemporaryDirectory() as place:
        path = f"{place}/images.parquet"
        pq.write_table(pa.table({"image": data}), path, row_group_size=100)

        def alone(group: int) -> None:
            for encoded in pq.ParquetFile(path).read_row_group(group)["image"].to_pylist():
                cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)

        print("ImageNet sample, native size, in a Parquet file")
        _beside(alone, pq.ParquetFile(path).num_row_groups, path, rounds)


def arrays(rounds: int) -> None:
    """2,000 smooth colour images in a Zarr array of chunks of 16.

    Args:
        rounds: How often to time.
    """
    import zarr

    small = np.random.default_rng(0).integers(0, 256, (2000, 28, 28, 3), dtype=np.uint8)
    pixels = np.stack([cv2.resize(image, (224, 224)) for image in small]).transpose(0, 3, 1, 2)
    with tempfile.TemporaryDirectory() as place:
        path = f"{place}/images.zarr"
        chunked = zarr.create_array(path, data=pixels, chunks=(16, 3, 224, 224))

        def alone(chunk: int) -> None:
            zarr.open_array(path, mode="r")[16 * chunk : 16 * chunk + 16]

        print("2,000 images of 224 x 224 in a Zarr array")
        _beside(alone, chunked.nchunks, path, rounds)


def _beside(alone: Callable[[int], None], parts: int, path: str, rounds: int) -> None:
    def all_parts() -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(alone, range(parts)))

    seconds = time_rounds(
        {
            "reading and decoding alone": all_parts,
            "normscope": lambda: stats(path, workers=WORKERS),
        },
        rounds,
    )
    share = seconds["reading and decoding alone"] / seconds["normscope"]
    print(f"  {share:.3f} of the rate of reading and decoding alone (0.8 needed)")


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
    tables(folder, arguments.rounds)
    arrays(arguments.rounds)


if __name__ == "__main__":
    main()
