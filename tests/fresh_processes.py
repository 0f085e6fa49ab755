"""Fresh processes that run scripts: forks of one that has imported something and no more.

To import torch takes longer than what most scripts do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IMPORTED = """
import json, os, sys
import {modules}

for line in iter(sys.stdin.readline, ""):
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, name in enumerate(asked["streams"]):
            opened = os.open(name, os.O_RDWR | os.O_CREAT)
            os.dup2(opened, number)
            os.close(opened)
        os.chdir(asked["folder"])
        os.environ["TMPDIR"] = asked["folder"]
        exec(asked["script"])
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def fresh_processes(*modules: str) -> Iterator[Callable[[str, Path], tuple[str, str]]]:
    """A function that runs a script in a folder, and returns its output and errors.

    Args:
        modules: What its process has imported.

    Yields:
        The function. The script must end with exit status 0.
    """
    with subprocess.Popen(
        [
            sys.executable, "-W", "error::DeprecationWarning", "-c",
            IMPORTED.replace("{modules}", ", ".join(modules)),
        ],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as first:  # fmt: skip

        def run(script: str, folder: Path) -> tuple[str, str]:
            said = [folder.parent / f"{folder.name}.{name}" for name in ("out", "err")]
            streams = [os.devnull, *map(str, said)]
            asked = {"script": script, "folder": str(folder), "streams": streams}
            print(json.dumps(asked), file=first.stdin, flush=True)
            status = first.stdout.readline()
            out, errors = (path.read_text(encoding="utf-8") for path in said)
            assert status == "0\n", errors
            return out, errors

        try:
            yield run
        finally:
            first.kill()
