"""Finished studies whose accuracies are made up, and a browser to see their pages in."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from normscope.init_scale import InitScale
from normscope.normalization import Normalization
from normscope.studies.axis import Axis
from normscope.studies.specification import ScanSpec
from normscope.studies.study import SPECIFICATION, TRIALS, write_trials
from normscope.trials.recipe import LENET
from normscope.trials.result import FinishedTrial, TrialResult, pack_bits
from normscope.trials.spec import TrialSpec

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = 4000
DATA = Normalization(0.3055, 0.3761)


def made_up(
    folder,
    mean="-2:3:6",
    std="0.02:2:5:log",
    seeds=4,
    epochs=3,
    dies_from=None,
    survival=0,
    **names,
):
    """A study with a plateau, a slope and a corner that fails.

    With ``dies_from`` the outcomes are known: every training dies whose mean lies that far off.
    """
    rng = np.random.default_rng(0)
    fields = {"source": "digits", "model": "lenet", **names}
    specification = ScanSpec(
        trial=TrialSpec(
            fingerprint="", train_images=None, recipe=replace(LENET, epochs=epochs),
            normalization=DATA, init_scale=InitScale(), seed=0, device="cpu", threads=1,
            precision="fp32", **fields,
        ),
        data=DATA, mean=Axis.parse("mean", mean), std=Axis.parse("std", std), seeds=seeds,
        survival=survival,
    )  # fmt: skip
    trials = []
    hard = rng.random(IMAGES)
    for spec in specification.trials():
        m, s = spec.normalization.mean[0], spec.normalization.std[0]
        far = (abs(m - 0.3) + 0.2) / s
        chance = 0.985 + 0.002 * rng.standard_normal() - 0.0006 * far
        chance = 0.1 if far > 120 else chance
        correct = hard + 0.002 * rng.standard_normal(IMAGES) < chance
        accuracy = float(correct.mean())
        history = [
            {
                "epoch": e + 1, "train_loss": 1.5 / (e + 1), "seconds": 1.0,
                "validation_accuracy": accuracy * (1 - 0.1 / (e + 1)),
            }
            for e in range(epochs)
        ]  # fmt: skip
        environment = {
            "time": "2026-01-01T00:00:00+00:00",
            "normscope": "0",
            "processor": "made up",
        }
        result = TrialResult(
            accuracy, 0.1, False, 1.0, "fp32", "cpu", history, pack_bits(correct), IMAGES, {},
            environment, outcome=dies_from and ("learned", "died")[abs(m - 0.3055) > dies_from],
        )  # fmt: skip
        trials.append(FinishedTrial(spec, result))
    # As an export, which is written at once; a database takes its trials one by one.
    folder.mkdir(parents=True)
    (folder / SPECIFICATION).write_text(specification.to_toml(), encoding="utf-8")
    write_trials(folder / TRIALS, trials)
    return folder


@pytest.fixture(scope="session")
def made_up_study(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("pages") / "study")


HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def hostile_study(tmp_path_factory):
    """One whose names are HTML."""
    return made_up(
        tmp_path_factory.mktemp("pages") / "hostile", mean="0,0.5", std="0.5,1", seeds=3, epochs=1,
        source=HOSTILE, model="</script><script>alert(2)</script>",
    )  # fmt: skip


@pytest.fixture(scope="package")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed: the page cannot be opened")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """A function that opens a file and fails the test on any error, message or request."""
    opened, faults = [], []

    def open_(path: Path, width=1280, height=900, theme="light"):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
        opened.append(page)
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))
        address = path.resolve().as_uri()
        page.on("request", lambda r: None if r.url == address else faults.append(r.url))
        page.goto(address)
        return page

    yield open_
    for page in opened:
        page.close()
    assert faults == []
