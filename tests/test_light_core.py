"""The wheel in an environment that really lacks torch."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from normscope.studies.study import Study
from tests.reports.conftest import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
BARE = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}

WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"
NAMES = "from importlib.metadata import distributions as d; print(*(x.name.lower() for x in d()))"


def _done(*command, **options):
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True, text=True, timeout=280, env=BARE, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """The commands of an environment with the wheel and what it requires, and nothing else.

    What it requires is linked from the environment of the tests: to download it takes minutes.
    """
    folder = tmp_path_factory.mktemp("light")
    built = _done(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    if built.returncode:
        pytest.skip("the wheel cannot be built without a package index")
    venv.create(folder / "env", symlinks=True)
    packages = Path(_done(folder / "env/bin/python", "-c", WHERE).stdout.strip())
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(packages)
    (own,) = distributions(name="normscope", path=[str(packages)])
    for required in _required(own.requires or [], set()):
        for top in {file.parts[0] for file in required.files or [] if file.parts[0] != ".."}:
            if not (packages / top).exists():
                (packages / top).symlink_to(required.locate_file(top))
    command = folder / "env/bin/normscope"
    command.write_text(f"#!{folder}/env/bin/python\nimport normscope.cli\nnormscope.cli.main()\n")
    command.chmod(0o755)
    return command.parent


def _required(lines: list[str], met: set[str]) -> Iterator[Distribution]:
    """The distributions that requirements name, and those that these require."""
    for requirement in map(Requirement, lines):
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and canonicalize_name(requirement.name) not in met:
            met.add(canonicalize_name(requirement.name))
            found = distribution(requirement.name)
            yield found
            yield from _required(found.requires or [], met)


def test_it_has_no_torch(light):
    listed = _done(light / "python", "-c", NAMES).stdout.split()
    assert {"numpy", "normscope"} <= set(listed)
    assert not {"torch", "torchvision"} & set(listed)
    assert "No module named 'torch'" in _done(light / "python", "-c", "import torch").stderr


def test_statistics_need_none(light, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 9, 3), dtype=np.uint8)
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    done = _done(light / "normscope", "stats", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "3 images, 216 pixels, uint8" in done.stdout
    assert (tmp_path / "out" / "figures" / "channel_histograms.png").is_file()
    mean = _done(
        light / "python", "-c",
        f"import normscope; print(normscope.stats({str(tmp_path / '0.png')!r}).mean.value)",
    )  # fmt: skip
    np.testing.assert_allclose(eval(mean.stdout), pixels[0].mean((0, 1)) / 255, rtol=1e-12)


def test_a_finished_study_needs_none(light, tmp_path):
    study = tmp_path / "study"
    finished = Study.open(made_up(tmp_path / "exported", mean="0,0.3", std="0.3", seeds=2))
    Study.create(study, finished.specification).adopt(finished.every_trial())
    done = _done(light / "normscope", "report", study)
    assert done.returncode == 0, done.stderr
    assert (study / "report.html").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "digits"],
        ["train", "digits"],
        ["search", "digits", "--over", "mean=0:1"],
        ["stats", "digits", "--resize", "4"],
        ["detect", "resnet20", "--images", "digits"],
    ],
)
def test_what_needs_torch_says_the_line_to_type(light, tmp_path, arguments):
    done = _done(light / "normscope", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "normscope: torch must be installed for that, got none. "
        "Run: pip install 'normscope[train]'\n",
    )


def test_help_and_names_need_none(light):
    assert "scan" in _done(light / "normscope", "--help").stdout
    code = "import normscope; print(normscope.Normalization.parse('half')); normscope.fold"
    done = _done(light / "python", "-c", code)
    assert done.stdout == "0.5/0.5\n"
    assert done.stderr.splitlines()[-1].endswith("pip install 'normscope[train]'")
