"""A study as two small files that a repository can hold: its specification and its trials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.studies.stored_trial import attributes_of, trial_of
from normscope.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from normscope.trials.result import FinishedTrial

TRIALS = "trials.jsonl.xz"


def write_trials(path: Path, trials: Iterable[FinishedTrial]) -> None:
    """Write trials as compressed lines of JSON, in one step.

    Args:
        path: What the file is to be called.
        trials: In the order in which they are to be read back.
    """
    import lzma

    with replacing(path) as temporary, lzma.open(temporary, "wt", encoding="utf-8") as lines:
        for trial in trials:
            fields = attributes_of(trial.spec, trial.result)
            lines.write(json.dumps(fields, separators=(",", ":")) + "\n")


def read_trials(path: Path) -> list[FinishedTrial]:
    """Read what ``write_trials`` wrote.

    Args:
        path: The file.

    Returns:
        The trials, in their order.

    Raises:
        NormscopeError: If it is not whole.
    """
    import lzma

    try:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            return [trial_of(json.loads(line)) for line in lines]
    except (OSError, EOFError, ValueError, KeyError, TypeError, lzma.LZMAError) as error:
        raise NormscopeError(
            f"{path} must hold a study's trials as normscope exported them, got: "
            f"{error or type(error).__name__}. Copy the file again."
        ) from None
