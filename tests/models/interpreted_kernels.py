"""Run with TRITON_INTERPRET=1: the kernels, interpreted on the CPU, against torch's operations."""

from __future__ import annotations

import torch

from normscope.models.stacked import triton_trunk
from normscope.models.stacked.trunks import open_trunk
from normscope.trials.fast.device_optimizers import DeviceAdadelta

SHAPES = [(2, 3, 1, 10, 9), (1, 2, 3, 12, 12), (3, 1, 1, 9, 14)]
"""Models, images, channels, height and width: also those that pooling does not divide."""

TOLERANCES = {torch.float32: (1e-5, 1e-6), torch.float16: (0.01, 0.02)}
"""Forward and backward."""

# The interpreter multiplies bf16 wrongly. Two numbers in fp16 hold 22 bits, two in bf16 16.
triton_trunk.HALF = torch.float16


def check_trunk(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    models, images, channels, height, width = shape
    pixels = torch.randint(0, 256, (images, channels, height, width)).to(dtype)
    pixels[0, :, 4:] = 7  # ties under the pooling
    weights = [
        torch.randn(models, 32, channels, 3, 3).to(dtype) / 255,
        torch.randn(models, 32).to(dtype),
        torch.randn(models, 64, 32, 3, 3).to(dtype) / 17,
        torch.randn(models, 64).to(dtype),
    ]
    forward, backward = TOLERANCES[dtype]
    own, theirs = open_trunk("triton"), open_trunk("channels-last")
    found, wanted = own.forward(pixels, *weights), theirs.forward(pixels, *weights)
    torch.testing.assert_close(found, wanted, rtol=forward, atol=forward)
    gradient = torch.randn_like(wanted)
    for mine, reference in zip(own.backward(gradient), theirs.backward(gradient), strict=True):
        # In fp16 near ties of the pooling fall out either way, so sizes are compared.
        off = (mine.float() - reference.float()).norm() / reference.float().norm()
        assert off < backward, (shape, dtype, float(off))


def check_adadelta() -> None:
    torch.manual_seed(0)
    rows = torch.randn(2, 1500)
    fused, plain = DeviceAdadelta(rows.clone(), fused=True), DeviceAdadelta(rows.clone(), False)
    for optimizer in (fused, plain):
        optimizer.set_rates([1.0, 0.1])
    for _ in range(5):
        gradients = torch.randn_like(rows)
        fused.step(gradients)
        plain.step(gradients)
    torch.testing.assert_close(fused._rows, plain._rows)


if __name__ == "__main__":
    for shape in SHAPES:
        check_trunk(shape, torch.float32)
    check_trunk(SHAPES[0], torch.float16)
    check_adadelta()
