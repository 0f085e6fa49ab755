"""How often the answer is right on real trainings: small studies drawn from one of many seeds.

    normscope scan digits --mean=-2,-0.75,0.5,1.75 --std 0.02,0.11,0.63 --seeds 48 --epochs 25 \
        --out runs/many-seeds
    python -m benchmarks.real_answers runs/many-seeds --studies 500

``answers.py`` judges studies that never ran; what real trainings hold that these do not, it cannot
see. Here each small study takes some means, stds, seeds and test images of a real one at random,
and is judged by the seeds, and the images, that it did not train to the end and test; how often a
row fails, by all seeds. Where these do not tell either, any word may be the right one: a word is
wrong only if they contradict it beyond two standard errors.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from normscope.findings.data_units import data_units
from normscope.findings.failures import binomial_interval
from normscope.findings.findings import findings
from normscope.findings.scan_results import ScanResults
from normscope.normalization import Normalization
from normscope.studies.axis import Axis
from normscope.studies.study import Study

if TYPE_CHECKING:
    from normscope.findings.trial_table import TrialTable

SEEDS, SURVIVAL = (2, 3, 5, 10), (0, 12, 24, 36)
TOO_OFTEN = 0.05
"""A cell that fails more often than this is bad."""


@dataclass(frozen=True)
class Whole:
    """The study of many seeds.

    Attributes:
        table: All its trainings.
        data: The images' own mean and std.
        axes: Its means and stds.
    """

    table: TrialTable
    data: Normalization
    axes: tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Drawn:
    """A small study, and what the rest of the whole one says of its rows.

    Attributes:
        number: It gives the same study again.
        table: Its trainings.
        axes: Its means and stds.
        rest: The whole study's other trainings under the same normalizations, on other images
            where it left any, with all failures of the whole.
        reference: The row of the data's own statistics.
    """

    number: int
    table: TrialTable
    axes: tuple[Axis, ...]
    rest: TrialTable
    reference: int


def whole_of(folder: Path) -> Whole:
    """Read the seeds that a study has in every cell."""
    results = ScanResults.read(Study.open(folder))
    specification = results.specification
    axes = tuple(tuple(axis.values) for axis in specification.axes)
    return Whole(results.table, specification.data, axes)


def drawn(whole: Whole, number: int, images: int | None) -> Drawn:
    """Take a small study at random.

    Args:
        whole: From this one.
        number: Which.
        images: How many test images it has; None for all, which the rest then has too.
    """
    rng = np.random.default_rng(number)
    table = whole.table
    values = [
        sorted(rng.choice(axis, rng.integers(2, len(axis) + 1), replace=False).tolist())
        for axis in whole.axes
    ]
    cells = [Normalization(mean, std) for mean in values[0] for std in values[1]]
    rows = cells + ([] if whole.data in cells else [whole.data])
    at = [table.normalizations.index(each) for each in rows]
    seeds = rng.permutation(table.seeds)
    count, survival = int(rng.choice(SEEDS)), int(rng.choice(SURVIVAL))
    pixels = rng.permutation(table.test_images)
    mine = pixels if images is None else pixels[:images]
    others = pixels if images is None else pixels[images:]
    taken, left = np.split(seeds, [count])
    axes = tuple(
        Axis.parse(name, ",".join(map(repr, axis)))
        for name, axis in zip(("mean", "std"), values, strict=True)
    )
    return Drawn(
        number,
        _part(table, at, len(cells), taken, mine, seeds[: count + survival]),
        axes,
        _part(table, at, len(cells), left, others, seeds),
        rows.index(whole.data),
    )


def _part(
    table: TrialTable,
    rows: list[int],
    cells: int,
    seeds: np.ndarray,
    images: np.ndarray,
    known: np.ndarray,
) -> TrialTable:
    """Some rows, seeds and images; ``known`` are the seeds whose failures are counted."""
    correct = table.correct[np.ix_(rows, seeds, images)]
    return replace(
        table,
        normalizations=tuple(table.normalizations[row] for row in rows),
        cells=cells,
        accuracies=correct.mean(axis=2),
        learned=table.learned[np.ix_(rows, seeds)],
        settled=table.settled[np.ix_(rows, seeds)],
        trainings=np.full(len(rows), len(known)),
        failures=(~table.learned[np.ix_(rows, known)]).sum(axis=1),
        stuck=None,
        test_images=len(images),
        correct=correct,
    )


def losses_of(rest: TrialTable, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each row's survivors lie below the reference's, and the standard errors.

    Seeds are paired, and so are images.
    """
    loss, error = np.full((2, len(rest.normalizations)), np.nan)
    for row, learned in enumerate(rest.learned):
        both = learned & rest.learned[reference]
        if both.sum() >= 2:
            lost = rest.correct[reference, both] * 1.0 - rest.correct[row, both]
            by_seed, by_image = lost.mean(axis=1), lost.mean(axis=0)
            loss[row] = lost.mean()
            error[row] = np.sqrt(by_seed.var(ddof=1) / both.sum() + by_image.var() / len(by_image))
    return loss, error


def possible_words(study: Drawn, data: Normalization, margin: float, *, images: bool) -> set[str]:
    """The first words that the rest does not contradict.

    Args:
        study: With its rest.
        data: The images' own mean and std.
        margin: The difference that matters.
        images: Whether the rest has other images, whose draw is then part of its error.
    """
    rest = study.rest
    loss, error = losses_of(rest, study.reference)
    if not images:
        loss, error = losses_of(_one_image(rest), study.reference)
    ends = [
        binomial_interval(int(failed), int(ran))
        for failed, ran in zip(rest.failures, rest.trainings, strict=True)
    ]
    often = np.array([end.low > TOO_OFTEN for end in ends])
    bad = often | (loss - 2 * error > margin)
    # Where none failed, a row counts as one that does not: by the rest alone each might be bad.
    maybe = bad | (rest.failures > 0) | ~(loss + 2 * error <= margin)
    usual = np.array([data_units(each, data).usual for each in rest.normalizations])
    usual[study.reference] = True
    words = set()
    if (maybe & usual).any():
        words.add("yes")
    if not (bad & usual).any() and (maybe & ~usual).any():
        words.add("edges")
    if not bad.any():
        words.add("no")
    return words


def _one_image(table: TrialTable) -> TrialTable:
    """The same accuracies as of one image, so that nothing is taken for its draw."""
    return replace(table, correct=table.accuracies[:, :, None], test_images=1)


def judged(number: int, whole: Whole, images: int | None) -> dict:
    """What normscope says of one small study, and what the rest says of that."""
    study = drawn(whole, number, images)
    found = findings(study.table, whole.data, study.axes)
    words = possible_words(study, whole.data, found.margin, images=images is not None)
    loss, error = losses_of(
        study.rest if images is not None else _one_image(study.rest), study.reference
    )
    bound = np.array([np.nan if c.loss_bound is None else c.loss_bound for c in found.cells])
    known = ~np.isnan(bound) & ~np.isnan(loss)
    beyond = (loss - bound)[known] > 2 * error[known]
    return {
        "number": number,
        "seeds": study.table.seeds,
        "word": found.verdict,
        "possible": words,
        "told": len(words) == 1,
        "missed": bool(beyond.any()),
        "bounded": bool(known.any()),
        "answer": found.answer,
    }


def table_of(records: list[dict]) -> str:
    """Counts by the number of seeds."""
    titles = {"seeds": 6, "studies": 9, "settled": 9, "wrong": 7, "bound missed": 14, "told": 7,
              "and said": 10}  # fmt: skip
    lines = ["".join(f"{title:>{width}}" for title, width in titles.items())]
    for seeds in (*SEEDS, None):
        mine = [r for r in records if seeds in {None, r["seeds"]}]
        settled = [r for r in mine if r["word"] != "unsettled"]
        told = [r for r in mine if r["told"]]
        lines.append(
            f"{seeds or 'all':>6}{len(mine):>9}{len(settled):>9}"
            f"{sum(r['word'] not in r['possible'] for r in settled):>7}"
            f"{sum(r['missed'] for r in mine):>14}{len(told):>7}"
            f"{sum(r['word'] in r['possible'] for r in told):>10}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, and the studies that were wrong."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("study", type=Path, help="the folder of a finished scan")
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--images", type=int, help="test images of each; by default all")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    whole = whole_of(options.study)
    work = partial(judged, whole=whole, images=options.images)
    with ProcessPoolExecutor(options.processes) as pool:
        records = list(pool.map(work, range(options.studies), chunksize=5))
    print(table_of(records))
    print(Counter((r["word"], *sorted(r["possible"])) for r in records))
    for r in records:
        if (r["word"] != "unsettled" and r["word"] not in r["possible"]) or r["missed"]:
            print(f"{r['number']:>5} {r['seeds']} seeds: {r['answer']} ({sorted(r['possible'])}"
                  f"{', a bound is missed' if r['missed'] else ''})")  # fmt: skip


if __name__ == "__main__":
    main()
