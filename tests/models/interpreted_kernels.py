"""Run with TRITON_INTERPRET=1: the kernels, interpreted on the CPU, against torch's operations."""

from __future__ import annotations

import torch

from normscope.models.stacked.trunk import open_trunk
from normscope.trials.fast.device_optimizers import DeviceAdadelta


def check_trunk() -> None:
    torch.manual_seed(0)
    models, images = 2, 3
    pixels = torch.randint(0, 256, (images, 1, 10, 9)).float()
    pixels[0, :, 4:] = 7  # ties under the pooling
    weights = [
        torch.randn(models, 32, 1, 3, 3) / 255,
        torch.randn(models, 32),
        torch.randn(models, 64, 32, 3, 3) / 17,
        torch.randn(models, 64),
    ]
    own, theirs = open_trunk("triton"), open_trunk("channels-last")
    found, wanted = own.forward(pixels, *weights), theirs.forward(pixels, *weights)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    gradient = torch.randn_like(wanted)
    for mine, reference in zip(own.backward(gradient), theirs.backward(gradient), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-3, atol=1e-3)


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
    check_trunk()
    check_adadelta()
