"""The trials of an Optuna study, or which of them is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from normscope.errors import NormscopeError

if TYPE_CHECKING:
    from collections.abc import Collection

    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState


def kept_trials(
    study: Study, storage: BaseStorage, states: Collection[TrialState] | None = None
) -> list[FrozenTrial]:
    """Every trial in some states.

    Args:
        study: The study.
        storage: Where it is kept.
        states: Those wanted; None for all.

    Returns:
        The trials by number, not to be changed.

    Raises:
        SQLAlchemyError: If the database does not answer.
        StorageInternalError: Likewise.
        NormscopeError: If a trial is damaged.
    """
    try:
        return study.get_trials(deepcopy=False, states=None if states is None else tuple(states))
    except (SQLAlchemyError, StorageInternalError):
        raise
    except Exception as error:  # noqa: BLE001 - what Optuna raises depends on what is damaged
        reason = str(error).rstrip(".") or type(error).__name__
        raise NormscopeError(
            f"{_damaged(study, storage)} of the study '{study.study_name}' must be as normscope "
            f"wrote it, got damage: {reason}. Restore the database, or choose another --out."
        ) from None


def _damaged(study: Study, storage: BaseStorage) -> str:
    """What errors call the first trial that cannot be read alone."""
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, RDBStorage):
        query = text(
            "SELECT trial_id, number FROM trials WHERE study_id = :study ORDER BY trial_id"
        )
        with backend.engine.connect() as connection:
            held = list(
                connection.execute(
                    query, {"study": storage.get_study_id_from_name(study.study_name)}
                )
            )
        for trial_id, number in held:
            try:
                backend.get_trial(trial_id)
            except Exception:  # noqa: BLE001 - likewise
                return f"trial {number}"
    return "each trial"
