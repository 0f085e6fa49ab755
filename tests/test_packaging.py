"""What others run: the workflows, the action, the pre-commit hook, the container, the matrix."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from normscope.cli.app import run
from normscope.errors import EXTRAS
from tests.auditing.conftest import photos  # noqa: F401 - a fixture
from tests.matrix.cells import Cell, all_cells, chosen, extras, newest
from tests.matrix.uses import USES

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NETWORKS = "tests.auditing.networks"


def _yaml(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def _steps(path):
    return [step for job in _yaml(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_right_and_may_do_little(path):
    assert _yaml(path)["permissions"] == {"contents": "read"}
    assert "secrets." not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_in_the_makefile(path):
    ran = [step["run"] for step in _steps(path) if "run" in step]
    assert ran
    for line in ran:
        # What GitHub puts in does not change the target.
        words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "x", line))
        assert words[0] == "make", line
        done = subprocess.run(
            ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert words[1] in {"lint", "test", "thorough", "docs", "matrix", "dist"}


def test_the_workflow_tries_every_extra_and_python():
    jobs = _yaml(".github/workflows/tests.yml")["jobs"]
    assert jobs["matrix"]["strategy"]["matrix"]["part"] == ["core", *extras()]
    classifiers = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pythons = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert jobs["test"]["strategy"]["matrix"]["python"] == pythons


def test_an_extra_brings_what_errors_say_of_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brought = {
        extra: {re.split(r"[\[<>=]", requirement)[0] for requirement in requirements}
        for extra, requirements in project["optional-dependencies"].items()
    }
    for module, extra in EXTRAS.items():
        assert module.lower().replace("_", "-") in brought[extra], module
    # Nothing asks for these two: "fast" is used where it is there.
    assert set(EXTRAS.values()) == set(brought) - {"all", "fast"}


def test_the_release_is_published_from_its_tag_alone():
    release = _yaml(".github/workflows/release.yml")
    # YAML 1.1 reads "on" as a truth value.
    assert release[True] == {"push": {"tags": ["v*"]}}
    publish = release["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"


@pytest.mark.parametrize("tag", ["v0.0.0", "0.1.0", "0.0.0"])
def test_a_tag_of_another_version_is_refused(tag):
    line = next(
        line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if "_version.py" in line
    )  # fmt: skip
    code = re.search(r'-c "(.*)" \'', line)[1]

    def checked(given):
        return subprocess.run(
            [sys.executable, "-c", code, given], cwd=ROOT, capture_output=True, text=True
        )

    from normscope import __version__

    assert checked(f"v{__version__}").returncode == 0
    assert checked("").returncode == 0
    if tag != f"v{__version__}":
        said = checked(tag).stderr
        assert said == f"the tag must be v{__version__}, as of _version.py, got {tag}\n"


def _action_line(tmp_path, **inputs):
    """What the action's last step calls, with the arguments apart."""
    action = _yaml("action.yml")
    install, audit = action["runs"]["steps"]
    assert "$VERSION" in install["run"]
    # As an expression it could run what stands in it.
    assert all("${{" not in step["run"] for step in (install, audit))
    given = {name: said.get("default", "") for name, said in action["inputs"].items()} | inputs
    required = {name for name, said in action["inputs"].items() if said.get("required")}
    assert required <= inputs.keys()
    environment = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: given[m[1]], text)
        for name, text in audit["env"].items()
    }
    fake = tmp_path / "bin" / "normscope"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    fake.chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", audit["run"]], capture_output=True, text=True,
        check=True, env={**environment, "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.parametrize(("pipeline", "status"), [("right", 0), ("unnormalized", 1)])
def test_the_action_runs_an_audit(photos, tmp_path, capsys, pipeline, status):  # noqa: F811
    line = _action_line(
        tmp_path, model=f"{NETWORKS}:small", images=str(photos),
        pipeline=f"{NETWORKS}:{pipeline}", resize="40", crop="32",
    )  # fmt: skip
    assert line[0] == "audit"
    assert run(line) == status
    assert ("does not normalize with" in capsys.readouterr().err) == bool(status)


def test_the_action_runs_no_text_of_its_inputs(tmp_path):
    evil = f"$(touch {tmp_path}/ran); touch {tmp_path}/ran"
    line = _action_line(tmp_path, model=evil, images="a b", pipeline="p:q", weights="w w.pt")
    assert line == ["audit", evil, "--weights=w w.pt", "--norm=imagenet", "--images=a b",
                    "--pipeline=p:q", "--fail-over=0.01"]  # fmt: skip
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("pipeline", "status"), [("right", 0), ("unnormalized", 1)])
def test_the_hook_runs_an_audit(photos, capsys, pipeline, status):  # noqa: F811
    (hook,) = _yaml(".pre-commit-hooks.yaml")
    assert hook["pass_filenames"] is False
    words = shlex.split(hook["entry"])
    assert words[0] == "normscope"
    arguments = [
        f"{NETWORKS}:small", "--norm=imagenet", f"--images={photos}", "--resize=40", "--crop=32",
        f"--pipeline={NETWORKS}:{pipeline}", "--fail-over=0.01",
    ]  # fmt: skip
    assert run([*words[1:], *arguments]) == status
    capsys.readouterr()
    # pre-commit installs the light core, and what an audit needs beside it.
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (train,) = re.findall(r"^train = \[(.*)\]$", project, re.MULTILINE)
    assert sorted(hook["additional_dependencies"]) == sorted(re.findall(r'"([^"]+)"', train))


def _instructions():
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line and line[0] != "#"]


def test_the_container_is_small_and_not_roots():
    instructions = _instructions()
    stages = [at for at, (name, _) in enumerate(instructions) if name == "FROM"]
    assert len(stages) == 2
    final = instructions[stages[1] :]
    # The checkout and the compilers stay behind.
    assert [value for name, value in final if name == "COPY"] == [
        "--from=build /opt/normscope /opt/normscope"
    ]
    assert [value for name, value in final if name == "ENTRYPOINT"] == ['["normscope"]']
    names = [name for name, _ in final]
    assert ("USER", "1000") in final
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "RUN")
    assert all("latest" not in value for name, value in instructions if name == "FROM")


def test_what_the_container_copies_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = [value for name, value in _instructions() if name == "COPY" and "--from" not in value]
    sources = {word for value in copied for word in value.split()[:-1]}
    assert sources == kept
    assert all((ROOT / source).exists() for source in sources)


def test_every_part_has_its_use_and_its_cells():
    assert set(USES) == {"core", *extras()}
    cells = all_cells("3.14")
    assert {cell.python for cell in cells if cell.part == "core"} == {
        "3.11", "3.12", "3.13", "3.14",
    }  # fmt: skip
    for part in USES:
        assert {cell.resolution for cell in cells if cell.part == part} == {"oldest", "newest"}
    assert len({cell.name for cell in cells}) == len(cells)
    assert chosen(cells, ["3.11-core-newest*"]) == [
        Cell("3.11", "core", "newest"), Cell("3.11", "core", "newest", "tar.gz"),
    ]  # fmt: skip
    assert chosen(cells, []) == cells


def test_the_newest_python_is_a_released_one():
    assert newest(["3.9.1", "3.14.2", "3.15.0a1"]) == "3.14"
    assert newest(["3.11.7"]) == "3.13"


def test_a_matrix_that_fits_nothing_or_lacks_uv_says_so():
    def ran(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tests.matrix", *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = ran("--uv", "no-such-uv")
    assert (done.returncode, done.stdout) == (
        1, "build: no-such-uv must be installed, got none. Run: pip install uv\n"
    )  # fmt: skip
