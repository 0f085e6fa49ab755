"""What worker processes need, imported once by the server that they are forked from.

They share its memory as long as nobody writes to it: importing torch takes seconds and, with
CUDA's libraries, 280 MB for each process that does it.
"""

import gc
import sys

import normscope.trials.fast.training  # noqa: F401
import normscope.trials.frozen  # noqa: F401
import normscope.trials.train  # noqa: F401


def _end_with_the_study(kind, error, traceback) -> None:
    # A new worker meets these where the study has been killed by now.
    if not issubclass(kind, (FileNotFoundError, EOFError)):
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _end_with_the_study

# The garbage collector would otherwise write to every object, and so copy it into each worker.
gc.collect()
gc.freeze()
