from __future__ import annotations

import pytest
import torch

from normscope.machine.cores import images_together, threads, workers


def test_workers_keep_their_number_of_threads_whatever_is_set_elsewhere():
    with threads(2):
        with workers(1) as pool:
            pool.submit(int).result()
            # As another pool does when it ends.
            torch.set_num_threads(2)
            assert pool.submit(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("side", "most", "at_once", "together"),
    [
        (224, 64, 1, 8),
        (224, 64, 2, 4),
        (224, 64, 16, 4),
        (32, 512, 1, 256),
        (32, 64, 2, 64),
        (4000, 64, 2, 1),
        (32, 100, 1, 100),
    ],
)
def test_as_many_images_are_shown_together_as_were_measured_to_be_quickest(
    side, most, at_once, together
):
    assert images_together(side, side, most, at_once) == together
