"""How often the findings are right: thousands of simulated studies whose truth is known.

    python -m benchmarks.findings --studies 2000

A study has 9, 25 or 49 cells, 3 to 10 seeds and test accuracies near 0.95 with the binomial noise
of 10,000 or 50,000 test images. Effects of the normalization run from 0 to 0.01 (as a standard
deviation over cells), those of the seed from 0 to 0.003, of their interaction from 0 to 0.002; in
every other study the interaction differs between cells by a lognormal factor. Prints, per claim,
how often it errs.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

import numpy as np

from normscope.findings.comparison import compared, means, plateau
from normscope.findings.image_noise import independent_images
from normscope.findings.shares import COMPONENTS, variance_shares
from normscope.findings.tolerance import tolerance

MARGIN = 0.002
ACCURACY = 0.95
ZERO = 1e-12


@dataclass(frozen=True)
class Design:
    """What a simulated study is drawn from.

    Attributes:
        cells: How many cells.
        seeds: How many seeds.
        images: Test images.
        normalization: Standard deviation of the cells' effects.
        seed: Of the seeds' effects.
        interaction: Of their interaction, by cell.
    """

    cells: int
    seeds: int
    images: int
    normalization: float
    seed: float
    interaction: np.ndarray


def random_design(rng: np.random.Generator, number: int, seeds: int | None = None) -> Design:
    """One of the designs; odd numbers have cells of different noise."""
    cells = int(rng.choice([9, 25, 49]))
    interaction = rng.choice([0, 0.0005, 0.001, 0.002])
    factor = np.exp(0.7 * rng.standard_normal(cells)) if number % 2 else np.ones(cells)
    return Design(
        cells,
        seeds or int(rng.integers(3, 11)),
        int(rng.choice([10_000, 50_000])),
        float(rng.choice([0, 0.0005, 0.001, 0.002, 0.005, 0.01])),
        float(rng.choice([0, 0.001, 0.003])),
        interaction * factor,
    )


def draw(design: Design, effects: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Accuracies of cells by seeds."""
    size = (design.cells, design.seeds)
    exact = (
        ACCURACY
        + effects[:, None]
        + design.seed * rng.standard_normal(design.seeds)
        + design.interaction[:, None] * rng.standard_normal(size)
    )
    return rng.binomial(design.images, np.clip(exact, 0, 1)) / design.images


def shares(rng: np.random.Generator, studies: int) -> dict[str, dict[str, float]]:
    """Bias and coverage of the variance shares, where the truth is 0 and where it is not."""
    seen: dict[str, list[tuple[float, float, bool]]] = {name: [] for name in COMPONENTS[:3]}
    for _ in range(studies):
        # The model of the shares has one interaction for all cells.
        design = random_design(rng, 0)
        effects = design.normalization * rng.standard_normal(design.cells)
        accuracies = draw(design, effects, rng)
        found = variance_shares(accuracies, independent_images(accuracies, design.images))
        truth = np.array(
            [
                effects.var(ddof=1),
                design.seed**2,
                design.interaction[0] ** 2,
                ACCURACY * (1 - ACCURACY) / design.images,
            ]
        )
        for name, true in zip(seen, truth / truth.sum(), strict=False):
            share = found[name]
            covered = share.low <= true <= share.high
            seen[name].append((float(true), share.share - float(true), covered))
    report = {}
    for name, rows in seen.items():
        true, error, covered = (np.array(column) for column in zip(*rows, strict=True))
        zero = true < ZERO
        report[name] = {
            "bias": float(error.mean()),
            "bias_where_zero": float(error[zero].mean()),
            "bias_where_not": float(error[~zero].mean()),
            "coverage_where_zero": float(covered[zero].mean()),
            "coverage_where_not": float(covered[~zero].mean()),
        }
    return report


def equivalence(rng: np.random.Generator, studies: int) -> dict[str, float]:
    """Errors of the equivalence test against a reference, with many cells on the margin's edge."""
    alone: list[bool] = []
    any_edge, any_beyond, power = [], [], []
    for number in range(studies):
        design = random_design(rng, number)
        effects = rng.choice([-MARGIN, MARGIN, 0.0, -0.01], design.cells)
        effects[0] = 0
        accuracies = draw(design, effects, rng)
        rows = means(accuracies, independent_images(accuracies, design.images))
        equal = np.array(compared(rows, 0, MARGIN)) == "equivalent"
        edge = np.isclose(np.abs(effects), MARGIN)
        found = rows.differences(0)
        both = np.maximum(found.p_below(MARGIN), found.p_above(-MARGIN)) <= 0.05
        alone += both[edge].tolist()
        any_edge.append(bool((equal & edge).any()))
        any_beyond.append(bool((equal & (effects < -MARGIN * 1.01)).any()))
        power.append(float(equal[1:][effects[1:] == 0].mean()) if (effects[1:] == 0).any() else 0)
    return {
        "one_cell_at_the_edge": float(np.mean(alone)),
        "any_cell_at_the_edge_after_correction": float(np.mean(any_edge)),
        "any_cell_beyond_after_correction": float(np.mean(any_beyond)),
        "equal_cells_found": float(np.mean(power)),
    }


def plateaus(rng: np.random.Generator, studies: int) -> dict[str, float]:
    """Whether a cell truly beyond the margin is called plateau, with many just beyond it."""
    clean, found = [], []
    for number in range(studies):
        design = random_design(rng, number)
        effects = -np.abs(rng.standard_normal(design.cells)) * max(design.normalization, 0.0005)
        effects[rng.random(design.cells) < 0.3] = 0
        effects[rng.random(design.cells) < 0.3] = -MARGIN * 1.001
        accuracies = draw(design, effects, rng)
        rows = means(accuracies, independent_images(accuracies, design.images))
        called = plateau(rows, MARGIN)
        beyond = effects.max() - effects > MARGIN
        clean.append(not bool((called & beyond).any()))
        found.append(float(called[~beyond].mean()))
    return {"no_cell_beyond": float(np.mean(clean)), "plateau_found": float(np.mean(found))}


def too_few(rng: np.random.Generator, studies: int) -> dict[str, float]:
    """Claims from two seeds, and from three seeds whose noise hides all differences."""
    two, noisy, equal = [], [], []
    for number in range(studies):
        design = random_design(rng, number, seeds=2)
        accuracies = draw(design, np.zeros(design.cells), rng)
        rows = means(accuracies, independent_images(accuracies, design.images))
        verdicts = set(compared(rows, 0, MARGIN)[1:])
        two.append(verdicts != {"open"} or bool(plateau(rows, MARGIN).any()))
        loud = Design(25, 3, 10_000, 0, 0.003, np.full(25, 0.01))
        accuracies = draw(loud, np.zeros(25), rng)
        rows = means(accuracies, independent_images(accuracies, 10_000))
        verdicts = set(compared(rows, 0, MARGIN)[1:])
        noisy.append(bool(verdicts & {"better", "worse"}))
        equal.append("equivalent" in verdicts or bool(plateau(rows, MARGIN).any()))
    return {
        "claims_from_two_seeds": float(np.mean(two)),
        "equivalence_claimed_in_noise": float(np.mean(equal)),
        "difference_claimed_in_noise": float(np.mean(noisy)),
    }


def tolerances(rng: np.random.Generator, studies: int) -> dict[str, float]:
    """Whether a proved range holds a value that truly loses more than the margin."""
    axis = np.arange(1.0, 8.0)
    alone, together = [], []
    for number in range(studies):
        design = replace(random_design(rng, number), cells=49)
        design = replace(design, interaction=np.resize(design.interaction, 49))
        slopes = rng.choice([0, 0.0005, 0.0011, 0.0021, 0.004], 4)
        effects = np.array([[_fall(i - 3, slopes[:2]) + _fall(j - 3, slopes[2:]) for j in range(7)]
                            for i in range(7)])  # fmt: skip
        accuracies = draw(design, effects.ravel(), rng)
        rows = means(accuracies, independent_images(accuracies, design.images))
        found = tolerance(rows, (axis, axis), 24, (4.0, 4.0), MARGIN)
        lost = effects < -MARGIN
        mean = (axis >= found.mean.low) & (axis <= found.mean.high)
        std = (axis >= found.std.low) & (axis <= found.std.high)
        alone.append(bool((lost[:, 3] & mean).any() or (lost[3] & std).any()))
        if found.together is None:
            together.append(False)
            continue
        inside = [(axis >= low) & (axis <= high) for low, high in found.together.values()]
        together.append(bool(lost[np.ix_(*inside)].any()))
    return {"range_too_wide": float(np.mean(alone)), "rectangle_too_wide": float(np.mean(together))}


def _fall(steps: int, slopes: np.ndarray) -> float:
    return -abs(steps) * float(slopes[0] if steps < 0 else slopes[1])


def measure(studies: int, seed: int = 0) -> dict[str, object]:
    """Every figure, each from so many studies."""
    rng = np.random.default_rng(seed)
    return {
        "studies": studies,
        "shares": shares(rng, studies),
        "equivalence": equivalence(rng, studies),
        "plateau": plateaus(rng, studies),
        "tolerance": tolerances(rng, studies),
        "too_few": too_few(rng, studies),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(measure(options.studies, options.seed), indent=2))
