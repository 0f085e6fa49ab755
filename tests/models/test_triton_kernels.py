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


SHARED_MEMORY = {80: 163, 89: 99, 90: 227, 100: 227}
"""KiB that a program has, by architecture (CUDA C++ Programming Guide, compute capabilities)."""

SIZES = {"height": 26, "width": 26}
POOLED_SIZES = {"pooled_height": 12, "pooled_width": 12}


@pytest.fixture
def own_kernels(tmp_path, monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from normscope.models.stacked import triton_kernels

    return triton_kernels


def compiled(kernel, types, constants, architecture):
    """A kernel for a GPU that need not be there, with what it takes of it."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    chosen = {name: constants.pop(name) for name in list(constants) if name.startswith("num_")}
    names = list(kernel.arg_names)
    given = iter(types)
    signature = {n: "constexpr" if n in constants else next(given, "i32") for n in names}
    source = ASTSource(
        kernel,
        signature,
        constexprs={(names.index(n),): value for n, value in constants.items()},
        attrs={(k,): [["tt.divisibility", 16]] for k, n in enumerate(names) if "*" in signature[n]},
    )
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=chosen)


@pytest.mark.parametrize(
    ("architecture", "split"),
    [
        (89, True),
        *(pytest.param(a, s, marks=pytest.mark.thorough) for s in (True, False)
          for a in SHARED_MEMORY if (a, s) != (89, True)),
    ],
)  # fmt: skip
def test_the_convolutions_kernels_compile_ahead(own_kernels, architecture, split):
    from normscope.models.stacked import triton_trunk as trunk

    numbers, half = ("*fp32" if split else "*bf16"), "*bf16"
    precision = {"precision": "tf32x3" if split else "tf32"}
    kernels = {
        "first_convolution": ([numbers] * 3 + [half] * 2, trunk.FIRST, {"wide": 16} | precision),
        "pooled_convolution": (
            [half] * 4 + [numbers] * 2 + ["*i8"], trunk.POOLED, SIZES | POOLED_SIZES
        ),
        "maps_gradient": ([numbers, "*i8", half, half], trunk.MAPS, SIZES | POOLED_SIZES),
        "first_gradient": (
            [half] * 5 + [numbers, "*fp32"], trunk.FIRST_GRADIENT, SIZES | {"wide": 16} | precision
        ),
        "weight_gradient": ([half] * 4 + ["*fp32"], trunk.WEIGHT_GRADIENT, SIZES),
    }  # fmt: skip
    for name, (types, chosen, more) in kernels.items():
        kernel = getattr(own_kernels, name)
        layers = {"inner": trunk.INNER, "outer": trunk.OUTER}
        layers = {n: v for n, v in layers.items() if n in kernel.arg_names}
        found = compiled(kernel, types, layers | more | chosen | {"split": split}, architecture)
        assert found.asm["cubin"]
        assert found.metadata.shared <= 1024 * SHARED_MEMORY[architecture]


@pytest.mark.parametrize("architecture", SHARED_MEMORY)
def test_the_optimizers_kernel_compiles_ahead(own_kernels, architecture):
    from normscope.trials.fast import triton_adadelta

    constants = {"decay": 0.9, "epsilon": 1e-6, "block": triton_adadelta.BLOCK}
    found = compiled(triton_adadelta._step, ["*fp32"] * 5, constants, architecture)
    assert found.asm["cubin"]
