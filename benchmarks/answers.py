"""How often the answer is right: thousands of simulated studies whose truth is known.

    python -m benchmarks.answers --studies 2000
    python -m benchmarks.answers --only 17

Studies come from ``simulated_studies.py``, which knows nothing of normscope. For every class of
study the table says how often intervals and bounds hold and the first word is the true one, and the
numbers of the studies with a wrong one follow, each of which can be run again alone.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.simulated_studies import SimulatedStudy, simulated_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAMES = ("mean", "std", "both", "seed", "test_images")


@dataclass(frozen=True)
class Answer:
    """What normscope says of a study. Rows are those of the study, or only the grid's cells.

    Attributes:
        word: ``yes``, ``no``, ``edges`` or ``unsettled``.
        sentence: The answer.
        margin: The difference that matters.
        failing: Ends of each row's exact interval for its share of failures, ``(rows, 2)``.
        smooth: Ends of the smooth map's, or None.
        loss_bound: By row, the largest loss that cannot be excluded; NaN where nothing learned.
        shares: By name the share and the ends of its interval.
        seconds: It took.
    """

    word: str
    sentence: str
    margin: float
    failing: np.ndarray
    smooth: np.ndarray | None
    loss_bound: np.ndarray
    shares: dict[str, tuple[float, float, float]]
    seconds: float


def answer_of(study: SimulatedStudy) -> Answer:
    """Hand a study to normscope, and read its answer. All that depends on normscope is here."""
    from normscope.findings.findings import findings
    from normscope.findings.trial_table import TrialTable
    from normscope.normalization import Normalization
    from normscope.studies.axis import Axis

    world, start = study.world, time.perf_counter()
    rows = zip(world.means.tolist(), world.stds.tolist(), strict=True)
    given = TrialTable(
        normalizations=tuple(Normalization(mean, std) for mean, std in rows),
        cells=world.cells,
        accuracies=study.accuracies,
        learned=~study.failed,
        settled=study.settled | study.failed,
        trainings=study.trainings,
        failures=study.failures,
        test_images=world.images,
        correct=study.correct,
    )
    axes = tuple(
        Axis.parse(name, ",".join(map(repr, values.tolist())))
        for name, values in zip(("mean", "std"), world.axes, strict=True)
    )
    found = findings(given, Normalization(*world.data), axes).to_json()
    cells = found["cells"]

    def column(name: str) -> np.ndarray:
        return np.array([np.nan if c.get(name) is None else c[name] for c in cells], float)

    smooth = np.stack([column("smooth_low"), column("smooth_high")], axis=1)
    return Answer(
        word=found["verdict"],
        sentence=found["answer"],
        margin=found["margin"],
        failing=np.stack([column("failed_low"), column("failed_high")], axis=1),
        smooth=None if np.isnan(smooth).any() else smooth,
        loss_bound=column("loss_bound"),
        shares={n: (s["share"], s["low"], s["high"]) for n, s in (found["shares"] or {}).items()},
        seconds=time.perf_counter() - start,
    )


def record_of(study: SimulatedStudy, answer: Answer) -> dict[str, float | str]:
    """Everything that is counted of one study.

    A name with a slash is a count, with what it is counted among behind ``of:``.
    """
    world, margin = study.world, answer.margin
    truths = {world.verdict(margin, settled) for settled in (False, True)}
    tells = world.tells(margin)
    word = answer.word
    record: dict[str, float | str] = {
        "number": study.number,
        "seconds": answer.seconds,
        "word": word,
        "truth": " or ".join(sorted(truths)),
        "sentence": answer.sentence,
        "margin": margin,
    }

    def count(name: str, hits: np.ndarray | bool) -> None:
        record[name] = float(np.sum(hits))
        record["of:" + name] = float(np.size(hits))

    rows = len(answer.failing)
    failing = world.failing[:rows]
    unsure = (failing > 0) & (failing < 1)
    for name, ends in (("exact", answer.failing), ("smooth", answer.smooth)):
        if ends is not None:
            held = (ends[:, 0] - 1e-12 <= failing) & (failing <= ends[:, 1] + 1e-12)
            count(name, held[unsure])
            count(name + " sure", held[~unsure])
    bounded = ~np.isnan(answer.loss_bound) & (failing < 1)
    if bounded.any():
        bound = answer.loss_bound[bounded] + 1e-12
        losses = world.losses(settled=False)[:rows][bounded]
        seen = study.of_these_images
        count("loss", bool((losses <= bound).all()))
        count("loss each", losses <= bound)
        count("loss settled", bool((world.losses(settled=True)[:rows][bounded] <= bound).all()))
        here = (seen[world.reference] - seen)[:rows][bounded]
        count("loss here", bool((here <= bound).all()))
        best = world.reached[:rows][bounded].max() - world.reached[:rows][bounded]
        count("loss of best", bool((best <= bound).all()))
        record["median bound"] = float(np.median(bound))
    _count_shares(study, answer, record, count)
    count("large", tells)
    if tells:
        count("right", word in truths)
        count("open", word == "unsettled")
    count("wrong", word != "unsettled" and word not in truths)
    if tells:
        count("wrong though large", word != "unsettled" and word not in truths)
    count("definite", word != "unsettled")
    return record


def _count_shares(
    study: SimulatedStudy, answer: Answer, record: dict, count: Callable[[str, bool], None]
) -> None:
    world = study.world
    some = ~study.failed[: world.cells].any(axis=1)
    if not answer.shares or some.sum() < 2:
        return
    kind = "" if (world.failing[: world.cells] == 0).all() else ", some fail"
    truth = world.components(some)
    total = sum(truth.values())
    for name, (share, low, high) in answer.shares.items():
        true = truth[name] / total
        zero = ", zero" if true < 1e-9 else ""
        count(f"share {name}{kind}{zero}", low - 1e-9 <= true <= high + 1e-9)
        record[f"error {name}{kind}{zero}"] = share - true


def classes_of(study: SimulatedStudy) -> list[str]:
    """The classes that a study belongs to."""
    world = study.world
    seeds = next(f"seeds <= {n}" for n in (2, 3, 10, 30) if world.seeds <= n)
    on_grid = "on" if world.reference < world.cells else "off"
    kinds = [f"{kind}: {value}" for kind, value in world.kinds.items()]
    others = [
        seeds,
        f"images: {world.images}",
        f"survival: {world.survival}",
        f"reference {on_grid} the grid",
        f"heavy: {world.heavy}",
        f"seeds fail alike: {world.failing_by_seed > 0}",
    ]
    return ["all", *kinds, *others]


def run_one(number: int, seed: int) -> dict:
    """One study's record; a failure of normscope is one too."""
    study = simulated_study(number, seed)
    classes = classes_of(study)
    try:
        with warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            record = record_of(study, answer_of(study))
        record["warned"] = float(bool(met))
        record["of:warned"] = 1.0
        if met:
            record["warning"] = str(met[0].message)[:100]
    except Exception:  # noqa: BLE001 - a study that breaks it is a finding
        record = {"number": number, "broke": traceback.format_exc()}
    record["classes"] = classes
    return record


COLUMNS = (
    ("exact", "exact"),
    ("smooth", "smooth"),
    ("loss", "loss"),
    ("of best", "loss of best"),
    ("settled", "loss settled"),
    ("here", "loss here"),
    ("large", "large"),
    ("right", "right"),
    ("open", "open"),
    ("wrong", "wrong"),
    ("definite", "definite"),
)


def table(records: list[dict]) -> str:
    """Percentages by class."""
    names = sorted({c for r in records for c in r["classes"]})
    names.remove("all")
    lines = [f"{'':28}{'studies':>8}" + "".join(f"{title:>9}" for title, _ in COLUMNS)]
    for name in ["all", *names]:
        mine = [r for r in records if name in r["classes"] and "broke" not in r]
        cells = "".join(f"{_percent(mine, key):>9}" for _, key in COLUMNS)
        lines.append(f"{name:28}{len(mine):>8}{cells}")
    return "\n".join(lines)


def _percent(records: list[dict], key: str) -> str:
    hits = sum(r.get(key, 0.0) for r in records)
    of = sum(r.get("of:" + key, 0.0) for r in records)
    return f"{100 * hits / of:.1f}" if of else ""


def share_table(records: list[dict]) -> str:
    """Coverage and bias of the shares of variance."""
    lines = [f"{'share':36}{'studies':>8}{'covered':>9}{'bias':>9}"]
    for key in sorted({k for r in records for k in r if k.startswith("share ")}):
        errors = [r["error" + key[5:]] for r in records if key in r]
        lines.append(
            f"{key[6:]:36}{len(errors):>8}{_percent(records, key):>9}{np.mean(errors):>9.3f}"
        )
    return "\n".join(lines)


def listed(records: list[dict]) -> str:
    """The studies that went wrong."""
    lines = []
    for r in records:
        if "broke" in r:
            lines.append(f"{r['number']:>6} broke: {r['broke'].strip().splitlines()[-1]}")
        elif r.get("wrong"):
            large = " though large enough" if r.get("large") else ""
            lines.append(
                f"{r['number']:>6} {r['word']}, true is {r['truth']}{large}: {r['sentence']}"
            )
    missed = [str(r["number"]) for r in records if r.get("loss") == 0]
    lines.append("loss bound missed: " + " ".join(missed))
    opened = [str(r["number"]) for r in records if r.get("open")]
    lines.append("not settled though large enough: " + " ".join(opened))
    warned = {r["warning"] for r in records if "warning" in r}
    lines += [f"warned: {w}" for w in sorted(warned)]
    return "\n".join(lines)


def run(numbers: Iterable[int], seed: int, processes: int) -> list[dict]:
    """The records of many studies."""
    # One thread each: the processes share the cores.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    numbers = list(numbers)
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(run_one, numbers, [seed] * len(numbers), chunksize=5))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the first study's number")
    parser.add_argument("--seed", type=int, default=0, help="of the whole simulation")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, help="run this study alone and print all of it")
    parser.add_argument("--records", type=Path, help="write what each study gave, a JSON a line")
    options = parser.parse_args()
    if options.only is not None:
        study = simulated_study(options.only, options.seed)
        print(study.world)
        for name, value in run_one(options.only, options.seed).items():
            print(f"{name}: {value}")
        return
    start = time.perf_counter()
    numbers = range(options.first, options.first + options.studies)
    records = run(numbers, options.seed, options.processes)
    if options.records:
        options.records.write_text("".join(json.dumps(r) + "\n" for r in records))
    print(table(records), share_table(records), listed(records), sep="\n\n")
    print(f"{time.perf_counter() - start:.0f} s; broke: {sum('broke' in r for r in records)}")


if __name__ == "__main__":
    main()
