"""Does a changed first layer give what the original gave? Asked of random pixels where it stands.

The rest of the network is the same in both, so that neither needs to be run to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope.deploy.differences import ROUNDING
from normscope.deploy.refusals import WHOLE, NoExactFold
from normscope.machine.device import without_tf32
from normscope.models.first_layer import floating_dtype
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from normscope.deploy.affine import Affine


class _Reached(Exception):
    """The forward pass has come as far as it is needed."""


def check_first_answers(
    original: nn.Module,
    folded: nn.Module,
    names: Collection[str],
    affine: Affine,
    size: tuple[int, int],
) -> None:
    """Refuse a fold whose first layers are not used as tracing has seen them.

    A network may call a layer that it keeps in a list of its own, where no other can be put in its
    place, or do something in a hook.

    Args:
        original: The network as it was, in evaluation mode.
        folded: The network that takes raw pixels.
        names: Of the layers that were changed and are still called.
        affine: The map from what the folded one takes to what the original does.
        size: Height and width of the images in pixels.

    Raises:
        NoExactFold: If a layer's answers differ by more than rounding, or it is not called, or the
            network no longer runs.
        OutOfMemoryError: If the device's memory does not suffice.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, len(affine.factor), *size, generator=generator, dtype=torch.float64)
    factor, offset = (torch.from_numpy(v).reshape(-1, 1, 1) for v in (affine.factor, affine.offset))
    expected = _first_answers(original, names, images)
    try:
        found = _first_answers(folded, names, (images - offset) / factor)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        changed = " and ".join(name or WHOLE for name in names)
        met = f"the network no longer runs once {changed} is changed: {first_line(error)}"
        raise NoExactFold(met) from error
    taken, widest = floating_dtype(original), 1 + float(offset.abs().max())
    for name in names:
        if name not in found or not _agree(expected[name], found[name], taken, widest):
            raise NoExactFold(f"{name or WHOLE} gives something else once it is changed")


def _first_answers(network: nn.Module, names: Collection[str], images: Tensor) -> dict[str, Tensor]:
    answers: dict[str, Tensor] = {}
    hooks = []
    for name in names:

        def keep(_: nn.Module, given: Any, answer: Tensor, name: str = name) -> None:  # noqa: ARG001
            answers.setdefault(name, answer.detach().clone())
            if len(answers) == len(names):
                raise _Reached

        hooks.append(network.get_submodule(name).register_forward_hook(keep))
    parameter = next(network.parameters(), images)
    try:
        with torch.no_grad(), without_tf32():
            network(images.to(parameter.device, floating_dtype(network)))
    except _Reached:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return answers


def _agree(expected: Tensor, found: Tensor, taken: torch.dtype, widest: float) -> bool:
    if expected.shape != found.shape:
        return False
    if not found.isfinite().all():
        return True  # told elsewhere, with what its type can hold
    # Under autocast a layer is less precise than its network's weights.
    types = (str(dtype).removeprefix("torch.") for dtype in (taken, expected.dtype))
    allowed = widest * max(ROUNDING.get(dtype, 1.0) for dtype in types)
    wide = expected.double()
    return bool((found.double() - wide).abs().max() <= allowed * wide.abs().max())
