from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_interpreted_kernels_agree_with_torch():
    pytest.importorskip("triton")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "interpreted_kernels.py")],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
