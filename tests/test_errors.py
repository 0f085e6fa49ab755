from __future__ import annotations

import pickle

import pytest

from normscope.errors import NormscopeError, StudyBusy, UnknownName, WorkFailed
from normscope.images.pixels import UnreadableImage


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


@pytest.mark.parametrize("kind", [NormscopeError, WorkFailed, UnreadableImage])
def test_an_error_is_printable_and_bounded_and_keeps_its_end(kind):
    error = kind(f"\x1b[31m{'x' * 100_000}\n. Give another.")
    text = str(error)
    assert text.isprintable()
    assert text.startswith("\\x1b[31mxxx")
    assert text.endswith("xxx\\n. Give another.")
    assert len(text) < 4100
    assert str(pickle.loads(pickle.dumps(error))) == text
    assert str(kind("as it is")) == "as it is"
