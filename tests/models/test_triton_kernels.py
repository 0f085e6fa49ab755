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


ARCHITECTURES = [80, 90, 100]
DTYPES = {"fp32": "ieee", "bf16": "tf32"}
"""With the precision of products that each is computed in."""


@pytest.fixture
def own_kernels(tmp_path, monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from normscope.models.stacked import triton_kernels

    return triton_kernels


def compiled(kernel, types, constants, architecture):
    """The machine code of a kernel for a GPU that need not be there."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(kernel.arg_names)
    numbers = len(names) - len(types) - len(constants)
    signature = dict(zip(names, [*types, *["i32"] * numbers], strict=False))
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(
        kernel, signature, constexprs={(names.index(n),): constants[n] for n in constants}
    )
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32)).asm["cubin"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("architecture", "dtype"), [*((a, "bf16") for a in ARCHITECTURES), (80, "fp32")]
)
def test_the_convolutions_kernels_compile_ahead(own_kernels, architecture, dtype):
    numbers, winners = f"*{dtype}", "*i8"
    constants = {"block": 64, "inner": 32, "outer": 64, "precision": DTYPES[dtype]}
    for kernel, types in (
        (own_kernels.pooled_convolution, [numbers] * 4 + [winners]),
        (own_kernels.hidden_gradient, [numbers, winners, numbers, numbers, numbers]),
        (own_kernels.weight_gradient, [numbers, winners, numbers, "*fp32"]),
    ):
        assert compiled(kernel, types, constants, architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_optimizers_kernel_compiles_ahead(own_kernels, architecture):
    from normscope.trials.fast import triton_adadelta

    constants = {"decay": 0.9, "epsilon": 1e-6, "block": triton_adadelta.BLOCK}
    assert compiled(triton_adadelta._step, ["*fp32"] * 5, constants, architecture)
