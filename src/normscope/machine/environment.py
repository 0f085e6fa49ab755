"""What a trial ran on: versions, hardware and the commit of the working folder."""

from __future__ import annotations

import datetime
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from normscope._version import __version__
from normscope.machine.cores import available_cores


def describe_environment(device: str) -> dict[str, Any]:
    """What there is to know about the machine, now."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"time": now, **_fixed_environment(device, str(Path.cwd()))}


@cache
def _fixed_environment(device: str, working_folder: str) -> dict[str, Any]:
    import numpy as np
    import torch

    described: dict[str, Any] = {
        "normscope": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "numba": _version_of("numba"),
        "platform": platform.platform(),
        "processor": _processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": available_cores(),
        "git_commit": git_commit(Path(working_folder)),
    }
    if device == "cuda":
        described["gpu"] = torch.cuda.get_device_name()
        described["cuda"] = torch.version.cuda
    return described


def device_and_versions(device: str) -> dict[str, str]:
    """What decides whether code for a device computes rightly there.

    Args:
        device: ``"cpu"`` or ``"cuda"``.

    Returns:
        The device, and the versions of all that runs on it, by name.
    """
    import torch

    found = {"normscope": __version__, "torch": torch.__version__, "system": platform.platform()}
    if device != "cuda":
        return found | {
            "device": _processor_name(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }
    driver = Path("/proc/driver/nvidia/version")
    return found | {
        "device": torch.cuda.get_device_name(),
        "capability": str(torch.cuda.get_device_capability()),
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "triton": _version_of("triton"),
        "driver": driver.read_text(encoding="utf-8") if driver.is_file() else "",
    }


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def git_commit(folder: Path) -> str | None:
    """The commit that a folder's checkout is at.

    Returns:
        The full hash, with ``-dirty`` behind it where tracked files are changed; None outside a
        checkout or without git.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command on the working folder
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
