"""Arguments of every command, by a seed: right ones, wrong ones and hostile ones."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import typer

from normscope.cli.app import command_line
from tests.fuzz.mutating import mutated

if TYPE_CHECKING:
    import random
    from pathlib import Path

COMMANDS = typer.main.get_command(command_line([])).commands
WEIGHTS = {
    "stats": 60, "report": 5, "scan": 8, "train": 6, "search": 6, "fold": 5, "audit": 4,
    "detect": 3, "article": 1, "cache": 2, "check": 6,
}  # fmt: skip
"""How often each is called: those that train or draw take a second where they are right."""

NAMES = (
    "a\nb", "-x", "--json", "ü", "a b", "[red]x", "\x1b[31m", "%s%n", "a" * 200, ".hidden",
    "\udcff\udcfe", "a::b", "a:b", "{0..9}", "*", "~", "con", "\u202egnp",
)  # fmt: skip
HOSTILE = (
    "", " ", "-1", "0", "1", "2", "3.5", "nan", "inf", "-inf", "1e400", "1e-400", "9" * 30, "0x10",
    "\u0661", "1,2,3", "0.5/0.5", "0.1,0.2,0.3/1,1,1", "0/1e-38", "1e38/1", "half", "imagenet",
    "none", "data", ",", "0:1:3", "0:1:3:log", "0:0:1000000000", "x=0:1", "mean=0:1", "\n",
    "no/../x", "/dev/null", "/dev/zero", "/proc/self/mem", "file:///etc/passwd", "a" * 5000, "🎲",
)  # fmt: skip
KNOWN = {
    "--split": ("train", "val", "all", "test"), "--layout": ("NCHW", "NHWC", "HWC", "HW"),
    "--channels": ("rgb", "grey"), "--alpha": ("ignore", "drop", "keep"),
    "--format": ("torchvision", "albumentations", "json"), "--resize": ("4", "4x6", "1"),
    "--crop": ("2", "8"), "--model": ("lenet", "lenet-bn", "resnet20", "no_such:net", "json:loads"),
    "--mean": ("0", "0.5", "0,1"), "--std": ("1", "0.5,1"), "--norm": ("half", "0.5/0.5", "none"),
    "--recipe": ("lenet", "frozen", "lenet-steplr"), "--over": ("mean=0:1", "std=0.1:1:log"),
    "--sampler": ("tpe", "random", "qmc", "gp"), "--precision": ("fp32", "bf16"),
    "--device": ("cpu", "cuda"), "--trainer": ("fast", "plain", "compiled"),
    "--select": ("*.png", "a*", "["), "--bands": ("a,b", "0,1"), "--by": ("folder", "series"),
    "--explain": ("imagenet", "half", "0.5/0.5"), "--weights": ("default",),
    "--pipeline": ("json:loads", "builtins:print", "no_such:net"), "--images": ("photos",),
    "--storage": ("sqlite:///x.db", "sqlite://", "sqlite:////dev/zero", "postgres://", "x://y"),
}  # fmt: skip
BOUNDED = {"--epochs": "1", "--train-images": "40", "--seeds": "1", "--trials": "1",
           "--replicates": "0", "--workers": "1", "--survival": "1", "--count": "8"}  # fmt: skip
"""Where a large number is no fault but long work, for which nobody waits here."""

NEVER = {"--ray", "--help", "--root", "--threads", "--grace"}
"""They ask for a cluster, fetch a data set from elsewhere, or change the machine's threads."""


def drawn(rng: random.Random, seeds: Path, work: Path) -> list[str]:
    """A call of normscope, and its files in ``work``.

    Args:
        rng: Decides everything.
        seeds: What ``make_seeds`` wrote; only copies are named.
        work: An empty folder, in which the call is made.
    """
    command = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    given = _positional(command, rng, seeds, work)
    options = [p for p in COMMANDS[command].params if p.opts and p.opts[-1].startswith("--")]
    often = rng.choice((0, 0, 0.04, 0.12))  # with many options one is wrong, and no file is read
    for option in options:
        name = rng.choice((*option.opts, *option.secondary_opts))
        if option.opts[-1] in NEVER or rng.random() > (0.9 if option.required else often):
            continue
        given.append(name)
        if not option.is_flag:
            given.append(_value(option.opts[-1], rng, seeds, work))
    for name, value in BOUNDED.items():
        if name not in given and any(name in option.opts for option in options):
            given += [name, value]
    if command == "scan" and rng.random() < 0.8:
        given.append("--dry-run")
    elif command == "scan":  # the usual grid is minutes of work
        given += [] if "--mean" in given else ["--mean", "0"]
        given += [] if "--std" in given else ["--std", "1"]
    return [command, *given]


def _positional(command: str, rng: random.Random, seeds: Path, work: Path) -> list[str]:
    if rng.random() < 0.03:
        return [rng.choice(HOSTILE) for _ in range(rng.randrange(3))]
    if command == "stats":
        return [_file(rng, seeds, work) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
    if command == "report":
        return [_study(rng, seeds, work) for _ in range(rng.choice((1, 1, 1, 2)))]
    if command in {"train", "scan", "search"}:
        return [rng.choice(("digits", "digits", "photos", _file(rng, seeds, work)))]
    if command in {"fold", "audit", "detect", "check"}:
        return [rng.choice((*KNOWN["--model"], rng.choice(HOSTILE)))]
    return []


def _value(option: str, rng: random.Random, seeds: Path, work: Path) -> str:
    if option in BOUNDED:
        return rng.choice((BOUNDED[option], "-1", "0", "x", "", "1.5", "nan"))
    if option == "--json":
        return rng.choice(("-", "-", "r.json", "no/r.json", ".", _file(rng, seeds, work)))
    if option == "--out":
        return rng.choice(
            ("out", "out", "o.safetensors", "o.pt2", "o.html", _file(rng, seeds, work))
        )
    if option in KNOWN and rng.random() < 0.6:
        return rng.choice(KNOWN[option])
    if option in FILES and rng.random() < 0.8:
        return _file(rng, seeds, work, like=option)
    if option == "--by":
        return f"{_file(rng, seeds, work, like=option)}:site"
    return rng.choice(HOSTILE)


FILES = {"--weights", "--spec", "--images", "--mask", "--labels", "--processor"}
LIKE = {"--weights": ("w.pt", "w.safetensors", "legacy.pt"), "--spec": ("study.toml",),
        "--by": ("sites.csv",), "--labels": ("sites.csv",)}  # fmt: skip


def _file(rng: random.Random, seeds: Path, work: Path, like: str = "") -> str:
    """A file or folder in ``work``: whole, damaged, of another kind, special, or none at all."""
    choice = rng.random()
    plain = sorted(path.name for path in seeds.iterdir() if path.is_file())
    name = rng.choice(LIKE.get(like, plain) if rng.random() < 0.8 else plain)
    data = (seeds / name).read_bytes()
    place = work / name
    if choice < 0.06:
        return rng.choice((*HOSTILE, *NAMES))
    if choice < 0.1 and not place.exists():
        os.mkfifo(place)
    elif choice < 0.2:
        place = work / f"folder{rng.randrange(9)}"
        if not place.exists():
            shutil.copytree(seeds / "photos", place)
            (place / "train" / "cats" / name).write_bytes(mutated(data, rng))
    elif choice < 0.3:  # another kind's suffix
        place = work / f"x{os.path.splitext(rng.choice(plain))[1]}"  # noqa: PTH122
        place.write_bytes(data)
    elif choice < 0.36:
        place = work / (rng.choice(NAMES).replace("/", "") + name)
        place.write_bytes(data)
        return str(place) if rng.random() < 0.5 else place.name
    elif not place.exists():
        place.write_bytes(data if choice < 0.5 else mutated(data, rng))
    return place.name


def _study(rng: random.Random, seeds: Path, work: Path) -> str:
    place = work / f"study{rng.randrange(99)}"
    shutil.copytree(seeds / "study", place, dirs_exist_ok=True)
    name = rng.choice(("study.db", "study.db", "study.toml", "summary.json"))
    file = place / name
    # A whole study takes seconds to be drawn: most are damaged.
    old = file.read_bytes() if file.exists() else b"{}"
    file.write_bytes(mutated(old, rng) if rng.random() < 0.97 else old)
    if rng.random() < 0.3:
        shutil.copyfile(seeds / rng.choice(("others.db", "study.db", "a.png")), place / "study.db")
    return place.name
