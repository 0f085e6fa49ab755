"""How each kernel of a stack on a GPU is best compiled: its time by block, warps and stages.

``python -m benchmarks.gpu_kernels`` compiles every choice in threads, then times each one on 66
LeNets and 64 of MNIST's images, and prints the quickest ones. What is chosen stands in
``models/stacked/triton_trunk.py``. Numbers are random: no choice changes what is computed.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
import triton

from normscope.machine.cores import available_cores
from normscope.models.stacked import triton_kernels
from normscope.models.stacked.triton_trunk import HALF, INNER, OUTER, PARTS

MODELS, IMAGES, SIDE, POOLED = 66, 64, 26, 12
SIZES = {"height": SIDE, "width": SIDE}
POOLED_SIZES = {"pooled_height": POOLED, "pooled_width": POOLED}
TIMED = 8
"""Calls that are timed together, after two that are not."""


class Choice(NamedTuple):
    """How a kernel is compiled.

    Attributes:
        block: Positions that a program works on.
        num_warps: Of its program.
        num_stages: Loads under way at once.
    """

    block: int
    num_warps: int
    num_stages: int


class Kernels:
    """Every kernel of a step on arguments of the right shapes.

    Args:
        split: Whether in fp32, with two numbers for each factor, or in bf16.
    """

    def __init__(self, split: bool) -> None:
        whole = torch.float32 if split else HALF
        precision = "tf32x3" if split else "tf32"
        self._split = split

        def numbers(*shape: int, dtype: torch.dtype = whole) -> torch.Tensor:
            return torch.randn(MODELS, *shape, device="cuda").to(dtype)

        def halves(*shape: int) -> list[torch.Tensor]:
            return [numbers(*shape, dtype=HALF) for _ in range(2)]

        patches = torch.randint(0, 256, (IMAGES * SIDE**2, 9), device="cuda").to(whole)
        hidden, maps = halves(IMAGES, SIDE, SIDE, INNER), halves(IMAGES, SIDE - 2, SIDE - 2, OUTER)
        weights, pooled = halves(9, INNER, OUTER), numbers(IMAGES, POOLED, POOLED, OUTER)
        winners = torch.randint_like(pooled, 0, 4, dtype=torch.int8)
        sums = numbers(IMAGES * SIDE**2 // 16, INNER, 16, dtype=torch.float32)
        parts = numbers(PARTS, 9, OUTER, INNER, dtype=torch.float32)
        first, layers = {"wide": 16, "precision": precision}, {"inner": INNER, "outer": OUTER}
        self.arguments = {
            "first_convolution": (
                [patches, numbers(9, INNER), numbers(INNER), *hidden, len(patches), 9],
                first | {"inner": INNER}, len(patches),
            ),
            "pooled_convolution": (
                [*hidden, *weights, numbers(OUTER), pooled, winners, IMAGES],
                SIZES | POOLED_SIZES | layers, IMAGES * POOLED**2,
            ),
            "maps_gradient": (
                [pooled, winners, *maps, IMAGES],
                SIZES | POOLED_SIZES | {"outer": OUTER}, IMAGES * (SIDE - 2) ** 2,
            ),
            "first_gradient": (
                [*maps, *weights, hidden[0], patches, sums, IMAGES, 9],
                SIZES | first | layers, len(patches),
            ),
            "weight_gradient": ([*maps, *hidden, parts, IMAGES], SIZES | layers, None),
        }  # fmt: skip

    def call(self, name: str, choice: Choice, *, only_compile: bool) -> None:
        """Run a kernel, or only compile it.

        Args:
            name: The kernel's.
            choice: How it is compiled.
            only_compile: Whether it is not run.
        """
        given, constants, positions = self.arguments[name]
        if positions is not None:
            grid = (triton.cdiv(positions, choice.block), MODELS)
        else:
            share = triton.cdiv(triton.cdiv(IMAGES * (SIDE - 2) ** 2, PARTS), choice.block)
            given, grid = [*given, share * choice.block], (3, PARTS, MODELS)
        kernel = getattr(triton_kernels, name)
        run = kernel.warmup if only_compile else kernel.run
        more = {"warmup": False} if not only_compile else {}
        run(*given, grid=grid, split=self._split, **constants, **choice._asdict(), **more)


def milliseconds(kernels: Kernels, name: str, choice: Choice) -> float:
    """What a call takes on the device.

    Args:
        kernels: Hold its arguments.
        name: The kernel's.
        choice: How it is compiled.

    Returns:
        The mean of some calls; infinity where it takes more than the device has.
    """
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    try:
        for call in range(2 + TIMED):
            if call == 2:
                start.record()
            kernels.call(name, choice, only_compile=False)
    except triton.runtime.errors.OutOfResources:
        return float("inf")
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / TIMED


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--best", type=int, default=4, help="choices printed for each kernel")
    best = parser.parse_args().best
    choices = [Choice(*each) for each in product((64, 128), (4, 8), (1, 2, 3))]
    print(f"{torch.cuda.get_device_name()}, Triton {triton.__version__}")
    for split in (True, False):
        kernels = Kernels(split)
        cases = list(product(kernels.arguments, choices))
        with ThreadPoolExecutor(available_cores()) as pool:
            list(pool.map(partial(kernels.call, only_compile=True), *zip(*cases, strict=True)))
        for name in kernels.arguments:
            found = sorted((milliseconds(kernels, name, choice), choice) for choice in choices)
            each = "; ".join(f"{ms:.3f} ms {tuple(choice)}" for ms, choice in found[:best])
            print(f"{'fp32' if split else 'bf16'} {name}: {each}", flush=True)


if __name__ == "__main__":
    main()
