"""What a search found, in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.findings.good_configurations import FEWEST_GOOD
from normscope.findings.paired import MARGIN

if TYPE_CHECKING:
    from normscope.findings.good_configurations import GoodConfigurations
    from normscope.studies.search_specification import SearchSpec

NAMES = {
    "data": "the source's own statistics",
    "half": "0.5/0.5",
    "default": "the default",
}

FROZEN = "; the network is frozen, so no seed changes it, but it was chosen on these test images"


def answer(specification: SearchSpec, numbers: dict[str, Any]) -> str:
    """Say what was best, how much of it was luck, and whether it was worth the search.

    Args:
        specification: The search.
        numbers: The fields of its summary.

    Returns:
        A few sentences.
    """
    trial, best = specification.trial, numbers["best"]
    ranges = ", ".join(f"{r.name} from {r.low:g} to {r.high:g}" for r in specification.over)
    trains, chosen_on = trial.recipe.trains, numbers["chosen_on"]
    honest = _honest(numbers["honest_best"], chosen_on) if trains else FROZEN
    stopped = numbers["stopped_early"]
    asked = f"{numbers['trials'] + stopped} trials" + (f", {stopped} of them stopped early,") * (
        stopped > 0
    )
    found = (
        f"Of {asked} of {trial.model} on {trial.source} with {ranges}, the best has {chosen_on} "
        f"accuracy {best['score']:.4f} ({_at(best['values'])}){honest}."
    )
    say = _reference if trains else _frozen_reference
    compared = [say(name, row) for name, row in numbers["references"].items()]
    return " ".join([found, _where(numbers["good"]), *compared])


def _honest(found: dict[str, Any] | None, chosen_on: str) -> str:
    if found is None:
        return "; one seed each, so this is a maximum of noise"
    less = f"{abs(found['optimism']):.4f} {'less' if found['optimism'] >= 0 else 'more'}"
    seen = _with_se(found["score"], found["score_se"])
    test = f", and {_with_se(found['accuracy'], found['se'])} on test"
    return (
        f"; by fresh seeds, which choose {_at(found['values'])}, such a choice is worth {seen}, "
        f"{less}{test if chosen_on != 'test' else ''}"
    )


def _where(good: GoodConfigurations) -> str:
    if good.trials < FEWEST_GOOD:
        return f"With {good.trials} finished, nothing can be said of where the good ones lie."
    parts = [
        f"{found.pattern} over {name} ({100 * found.spread:.0f} % of the range's spread)"
        for name, found in good.parameters.items()
    ]
    return f"The best {good.trials} trials: their choice {', '.join(parts)}."


def _reference(name: str, row: dict[str, Any]) -> str:
    gap = f"(difference {_with_se(row['difference'], row['difference_se'])})"
    verdicts = {
        "equivalent": f"is equivalent to the best within {MARGIN:g} {gap}",
        "better": f"is beaten by the best {gap}",
        "worse": f"beats the best {gap}",
        "open": f"cannot be told from the best with so few seeds {gap}",
    }
    return f"Test accuracy at {NAMES[name]}, {row['accuracy']:.4f}, {verdicts[row['verdict']]}."


def _frozen_reference(name: str, row: dict[str, Any]) -> str:
    gap = round(-row["difference"], 4) + 0.0  # no -0.0000
    return f"Test accuracy at {NAMES[name]} is {row['accuracy']:.4f}, {gap:+.4f} from the best."


def _with_se(value: float, se: float | None) -> str:
    return f"{value:.4f}" if se is None else f"{value:.4f} ± {se:.4f}"


def _at(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
