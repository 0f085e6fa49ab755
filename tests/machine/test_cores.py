from __future__ import annotations

import torch

from normscope.machine.cores import threads, workers


def test_workers_keep_their_number_of_threads_whatever_is_set_elsewhere():
    with threads(2):
        with workers(1) as pool:
            pool.submit(int).result()
            # As another pool does when it ends.
            torch.set_num_threads(2)
            assert pool.submit(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2
