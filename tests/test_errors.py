from __future__ import annotations

import pickle

from normscope.errors import NormscopeError, StudyBusy, UnknownName, WorkFailed


def test_exit_statuses():
    assert NormscopeError.exit_status == StudyBusy.exit_status == 2
    assert WorkFailed.exit_status == 1


def test_a_name_far_from_all_known_ones_gets_no_guess():
    error = UnknownName("model", "xyzzy", ["lenet", "lenet-bn"], also="package.module:factory")
    assert str(error) == (
        "model must be one of lenet, lenet-bn or package.module:factory, got 'xyzzy'. "
        "Choose one of these."
    )


def test_its_sentence_survives_a_process_border():
    error = pickle.loads(pickle.dumps(UnknownName("model", "lnet", ["lenet"])))
    assert isinstance(error, NormscopeError)
    assert str(error) == "model must be one of lenet, got 'lnet'. Did you mean 'lenet'?"
