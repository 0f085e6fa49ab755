"""Shared fixtures: small images that every test can afford, and the real data where it is."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from normscope.images.digits import open_digits
from normscope.images.splits import with_train_images, with_validation
from normscope.init_scale import InitScale
from normscope.normalization import MNIST, Normalization
from normscope.studies.axis import Axis
from normscope.studies.specification import ScanSpec
from normscope.trials.recipe import LENET
from normscope.trials.result import FinishedTrial, TrialResult, pack_bits
from normscope.trials.spec import TrialSpec
from tests.fresh_processes import fresh_processes
from tests.left_behind import LeftBehind
from tests.postgresql import running_server, server_programs

# A shell ignores SIGINT for what it runs in the background, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Decoded images are kept in a folder of this run, not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NORMSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def left_behind(own_cache):
    """Fails the test that leaves a thread, a socket or a setting behind, and not a later one."""
    before = LeftBehind()
    yield
    before.restore_path()
    assert before.faults() == []


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; tests that need it are skipped where it is absent."""
    folder = os.environ.get("NORMSCOPE_DATA")
    if not folder:
        pytest.skip("NORMSCOPE_DATA is not set: real images are needed")
    return Path(folder)


@pytest.fixture
def real_weights() -> Path:
    """The folder of real weights; tests that need it are skipped where it is absent."""
    folder = os.environ.get("NORMSCOPE_WEIGHTS")
    if not folder:
        pytest.skip("NORMSCOPE_WEIGHTS is not set: real weights are needed")
    return Path(folder)


@pytest.fixture(scope="session")
def run_beside_torch():
    """Runs a script in a process of its own that has imported torch, and no more."""
    with fresh_processes("torch") as run:
        yield run


@pytest.fixture(scope="session")
def digits():
    """The bundled images with a validation split."""
    return with_validation(open_digits())


@pytest.fixture(scope="session")
def few_digits(digits):
    """So few of the bundled images that a training takes a fraction of a second."""
    few = with_train_images(digits, 200)
    return replace(
        few,
        validation=few.validation.take(np.arange(50)),
        test=few.test.take(np.arange(60)),
    )


@pytest.fixture
def spec() -> TrialSpec:
    """A trial of one epoch on the bundled images."""
    return TrialSpec(
        source="digits",
        fingerprint="",
        train_images=None,
        model="lenet",
        recipe=replace(LENET, epochs=1),
        normalization=MNIST,
        init_scale=InitScale(),
        seed=0,
        device="cpu",
        threads=1,
        precision="fp32",
    )


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """A folder of colour images: train/ and val/, two classes, made by a fixed seed."""
    rng = np.random.default_rng(0)
    root = tmp_path / "photos"
    for split, count in (("train", 8), ("val", 4)):
        for label, name in enumerate(("cats", "dogs")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 128, (12, 12, 3), np.uint8) + np.uint8(100 * label)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


class ScanTrials(SimpleNamespace):
    """In place of an opened study: its name is what tells a study."""


@pytest.fixture
def made_study(spec):
    """A function that makes a finished study from accuracies by mean, std and seed."""

    def make(
        mean: str,
        std: str,
        accuracies,
        data="0.2/0.5",
        references=(),
        outcome="learned",
        failed=None,
        failure="died",
        chance=None,
    ):
        accuracies = np.asarray(accuracies, float)
        specification = ScanSpec(
            trial=replace(spec, recipe=LENET, normalization=Normalization.parse(data)),
            data=Normalization.parse(data),
            mean=Axis.parse("mean", mean), std=Axis.parse("std", std), seeds=accuracies.shape[2],
        )  # fmt: skip
        trials = []

        def add(normalization, seed, accuracy, fails=False):
            if np.isnan(accuracy):
                return
            correct = np.arange(1000) < round(accuracy * 1000)
            result = TrialResult(
                float(accuracy), 0.1, False, 1.0, "fp32", "cpu", [], pack_bits(correct), 1000,
                {}, {}, outcome=failure if fails else outcome, chance=chance,
            )  # fmt: skip
            trials.append(FinishedTrial(specification.trial_at(normalization, seed), result))

        for i, m in enumerate(specification.mean.values):
            for j, s in enumerate(specification.std.values):
                for seed, accuracy in enumerate(accuracies[i, j]):
                    fails = failed is not None and bool(failed[i][j][seed])
                    add(Normalization(m, s), seed, accuracy, fails)
        for normalization, values in references:
            for seed, accuracy in enumerate(values):
                add(Normalization.parse(normalization), seed, accuracy)
        return ScanTrials(
            folder="runs/made", specification=specification, trials=lambda: trials,
            survival_trials=list, every_trial=lambda: trials,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def postgresql_server():
    """The URL of a real server; tests that need it are skipped where it is not installed."""
    pytest.importorskip("psycopg", reason="the postgresql extra is not installed")
    programs = server_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb found")
    with running_server(programs) as server:
        yield server.url


@pytest.fixture
def postgresql(postgresql_server, request):
    """The URL of an empty database of its own."""
    import psycopg

    name = f"test_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(f"{postgresql_server}postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgresql_server}{name}"
