"""Work shared out among cores."""

from __future__ import annotations

import sys
import threading

import pytest
import torch

from normscope.machine.cores import threads
from normscope.machine.parts import each, shares


def test_several_parts_are_done_side_by_side_with_one_thread_of_torchs_each():
    both = threading.Barrier(2, timeout=60)

    def work(part):
        both.wait()
        return part, torch.get_num_threads()

    with threads(2):
        assert each(work, ["first", "second"]) == [("first", 1), ("second", 1)]
        assert torch.get_num_threads() == 2


def test_a_single_part_may_use_all_threads():
    with threads(2):
        assert each(lambda part: (part, torch.get_num_threads()), ["only"]) == [("only", 2)]


@pytest.mark.parametrize(
    ("count", "ends"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [2, 4]), (7, [3, 6, 7])]
)
def test_shares_are_nearly_equal(count, ends):
    with threads(3):
        found = shares(count)
    assert [share.stop for share in found] == ends
    assert [share.start for share in found] == [0, *ends[:-1]]


FORKED = """
import os, warnings
warnings.simplefilter("ignore")
from normscope.machine.parts import each

each(abs, [-1, -2])
child = os.fork()
if not child:
    os._exit(each(abs, [-1, -2]) != [1, 2])
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks are used on Linux alone")
def test_a_fork_begins_threads_of_its_own(run_beside_torch, tmp_path):
    assert run_beside_torch(FORKED, tmp_path)[0] == "0\n"
