"""What worker processes need, imported once by the process that they are forked from.

Its memory is theirs too for as long as nobody writes to it: importing torch takes seconds and, with
CUDA's libraries, 280 MB for each process that does it.
"""

import gc

import normscope.trials.fast.training  # noqa: F401
import normscope.trials.frozen  # noqa: F401
import normscope.trials.train  # noqa: F401

# The collector would otherwise write to every object, and so copy it into each worker.
gc.collect()
gc.freeze()
