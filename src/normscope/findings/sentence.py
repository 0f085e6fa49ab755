"""The answer in one plain sentence, from a study's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normscope.studies.specification import ScanSpec


def answer(specification: ScanSpec, numbers: dict[str, Any]) -> str:
    """Say whether the normalization matters, by the numbers.

    It compares the two sources of variation and claims no more: that one is small against the other
    is measured, that a difference is absent would need an equivalence test.

    Args:
        specification: The scan.
        numbers: The fields of its summary.

    Returns:
        One sentence.
    """
    best, worst = numbers["best"], numbers["worst"]
    ranges = " and ".join(
        f"{axis.name} from {axis.values[0]:g} to {axis.values[-1]:g}" for axis in specification.axes
    )
    over = (
        f"for {specification.model} on {specification.source}, with {ranges}, "
        f"test accuracy runs from {worst['accuracy']:.4f} (at {_at(worst)}) to "
        f"{best['accuracy']:.4f} (at {_at(best)})"
    )
    data = numbers["at_data"]
    if data is not None:
        over += f"; the source's own statistics give {data['accuracy']:.4f}"
    none = numbers["at_none"]
    if none is not None:
        over += f" and no normalization {none['accuracy']:.4f}"
    if numbers.get("at_model") is not None:
        over += f"; what its library says of its weights {numbers['at_model']['accuracy']:.4f}"
    if not specification.recipe.trains:
        return (
            "The network is frozen and nothing was trained, so this is what another normalization "
            f"costs these weights, not what training under it would give: {over}, with a standard "
            f"error of {numbers['accuracy_se']:.4f} at the best."
        )
    return f"{_verdict(numbers['cell_std'], numbers['seed_std'])}: {over}."


def _verdict(between_cells: float | None, between_seeds: float | None) -> str:
    if between_cells is None or between_seeds is None:
        return "With one seed or one cell the noise is unknown, so this is a look and no answer"
    spread = f"(between cells {between_cells:.4f}, between seeds {between_seeds:.4f})"
    if between_cells > between_seeds:
        return f"The normalization moves the accuracy more than the seed does {spread}"
    return f"The normalization moves the accuracy no more than the seed does {spread}"


def _at(cell: dict[str, float]) -> str:
    if "mean" in cell and "std" in cell:
        return f"{cell['mean']:.4g}/{cell['std']:.4g}"
    return ", ".join(f"{name} {value:.4g}" for name, value in cell.items() if name != "accuracy")
