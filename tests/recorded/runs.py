"""Real runs whose numbers are recorded: ``python -m tests.recorded.runs`` writes them anew.

Each is a command with ``--json``, on files that are made here, and is kept as
``tests/recorded/NAME.json``: what it gave, the processor and the version of torch.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).parent

NETWORKS = "tests.recorded.networks"
TRAINED = ["--epochs", "1", "--train-images", "300", "--precision", "fp32", "--threads", "1"]
FOLDER = ["--images", "photos", "--norm", "half"]

STATISTICS = {
    "stats-colour": ["stats", "photos/val", "--explain", "imagenet", "--batch-size", "5"],
    "stats-resized": ["stats", "photos/val", "--resize", "16", "--crop", "12"],
    "stats-jpeg": ["stats", "jpegs"],
    "stats-jpeg-as-grey": ["stats", "jpegs", "--channels", "grey"],
    "stats-grey-16-bits": ["stats", "deep"],
    "stats-floats": ["stats", "floats.npy", "--nodata", "-1"],
    "stats-digits": ["stats", "digits", "--split", "all", "--explain", "mnist"],
}
"""Sums of whole numbers: equal to the last bit wherever they run."""

NETWORK_RUNS = {
    "train": ["train", "digits", "--norm", "data", *TRAINED],
    "train-plain": ["train", "digits", "--norm", "half", "--trainer", "plain", *TRAINED],
    "scan": ["scan", "digits", "--mean=-3,0.3,1", "--std", "0.05,0.4", "--seeds", "3",
             "--survival", "2", "--workers", "2", "--out", "scan", *TRAINED],
    "search": ["search", "digits", "--over", "mean=-1:1", "--over", "std=0.05:1:log", "--trials",
               "6", "--replicates", "2", "--out", "search", *TRAINED],
    "frozen": ["scan", "photos", "--model", f"{NETWORKS}:met_half", "--weights", "half.safetensors",
               "--recipe", "frozen", "--mean", "0.2,0.5", "--std", "0.25,0.5", "--threads", "1",
               "--out", "frozen"],
    "audit": ["audit", f"{NETWORKS}:met_half", "--weights", "half.safetensors", *FOLDER],
    "detect": ["detect", f"{NETWORKS}:met_half", "--weights", "half.safetensors", "--images",
               "photos"],
    "fold": ["fold", f"{NETWORKS}:plain", "--weights", "plain.safetensors", "--norm", "imagenet",
             "--image-size", "24", "-o", "folded.safetensors"],
}  # fmt: skip
"""Sums of floats: the last digits are the processor's and torch's."""

VOLATILE = {
    "seconds", "environment", "version", "normscope", "commit", "created", "folder",
    "decoders", "written", "elapsed", "time", "settings",
}  # fmt: skip
"""What names the moment, the place or the version, and no number of the run."""


def processor() -> str:
    """The processor and the libraries, on which numbers are the same to the last bit."""
    import scipy
    import torch

    flags = torch.backends.cpu.get_cpu_capability()
    libraries = ", ".join(f"{each.__name__} {each.__version__}" for each in (torch, np, scipy))
    return f"{platform.machine()} {flags}, {libraries}"


def make_files(folder: Path) -> None:
    """Images of several kinds, and weights, by fixed seeds."""
    from safetensors.torch import save_file

    from tests.recorded import networks

    rng = np.random.default_rng(3)
    answers = networks.met_half()((networks.images() / 255 - 0.5) / 0.5).argmax(1).tolist()
    for split in ("train", "val"):
        for number, pixels in enumerate(networks.images().permute(0, 2, 3, 1).numpy()):
            label = answers[number] if number % 4 else number % 3
            into = folder / "photos" / split / f"class{label}"
            into.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(into / f"{number}.png")
    (folder / "jpegs").mkdir()
    for number, (height, width) in enumerate([(40, 30), (17, 65), (64, 48)]):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
        smooth = coarse.resize((width, height), Image.Resampling.BICUBIC)
        for kind in ("RGB", "L"):
            smooth.convert(kind).save(folder / "jpegs" / f"{number}-{kind}.jpg", quality=85)
    (folder / "deep").mkdir()
    for number in range(3):
        deep = rng.integers(0, 65536, (20 + number, 31)).astype(np.uint16)
        Image.fromarray(deep).save(folder / "deep" / f"{number}.png")
    floats = rng.normal(0.3, 0.1, (4, 3, 9, 11)).astype(np.float32)
    floats[:, :, 0, 0] = -1
    np.save(folder / "floats.npy", floats)
    for name in ("plain", "met_half"):
        state = getattr(networks, name)().state_dict()
        save_file(state, folder / f"{name.removeprefix('met_')}.safetensors")


def run(arguments: list[str]) -> Any:
    """What a command gives as JSON, without what is volatile."""
    from normscope.cli.app import run as normscope

    status = normscope([*arguments, "--json", "result.json"])
    assert status == 0, arguments
    return steady(json.loads(Path("result.json").read_text(encoding="utf-8")))


def steady(value: Any) -> Any:
    """The value without volatile keys."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in VOLATILE}
    return [steady(v) for v in value] if isinstance(value, list) else value


def main() -> None:
    """Record every run."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        os.environ["NORMSCOPE_CACHE"] = f"{folder}/cache"
        make_files(Path())
        for name, arguments in {**STATISTICS, **NETWORK_RUNS}.items():
            recorded = {"processor": processor(), "result": run(arguments)}
            text = json.dumps(recorded, indent=1) + "\n"
            (HERE / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
