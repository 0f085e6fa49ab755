"""Fold a normalization into a network's first layer, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from normscope.deploy.batch_norm import batch_norm_affine, shifted_batch_norm
from normscope.deploy.before import Before, Fold
from normscope.deploy.entry import find_entries, find_entry
from normscope.deploy.first_answers import check_first_answers
from normscope.deploy.given_file import done_by
from normscope.deploy.layers import RawPixels, build_layer, put_layer
from normscope.deploy.refusals import WHOLE
from normscope.deploy.watching import BATCH_NORMS
from normscope.errors import NormscopeError
from normscope.keywords import checked
from normscope.models.copying import copied
from normscope.models.expected import check_of_unit
from normscope.models.first_layer import channels_taken, floating_dtype
from normscope.normalization import Normalization
from normscope.wording import check_at_least

if TYPE_CHECKING:
    from normscope.deploy.affine import Affine
    from normscope.deploy.entry import Entry


@dataclass(frozen=True, kw_only=True, repr=False)
class Folded(Fold):
    """A network that takes raw pixels.

    Attributes:
        model: Gives for raw pixels what the original gives for normalized ones; a copy.
    """

    model: RawPixels


@checked
def fold(
    model: nn.Module,
    normalization: Normalization | str,
    *,
    to: Normalization | str = "uint8",
    channels: int | None = None,
    image_size: int | tuple[int, int] = 224,
    residual: bool = False,
) -> Folded:
    """Make a network take raw pixels: ``folded.model(raw) == model(normalize(raw))``.

    The first layer is found by tracing. Zero padding, which stands for the mean in normalized
    space, becomes explicit padding with each channel's mean. A BatchNorm that meets the pixels
    first is folded into the layer behind it where that is exact, and takes the normalization
    itself where it is not.

    Args:
        model: Takes normalized images ``(N, C, H, W)``; not changed.
        normalization: What it expects, in units of [0, 1], or its ``MEAN/STD`` form.
        to: What the new model takes: ``uint8`` for 0..255, ``none`` for [0, 1], or another
            normalization.
        channels: Channels of the images; by default the normalization's own number, or what the
            first convolution takes where one number stands for all.
        image_size: Side, or height and width, in pixels of the images to trace with.
        residual: Leave one scale for all channels, the mean of the stds, to a runtime that can
            apply one number, and fold only the rest.

    Returns:
        The new network and what was done.

    Raises:
        NormscopeError: If no exact fold exists, with why, or the normalization is of 0..255.

    Example:
        >>> layer = nn.Conv2d(1, 2, 3, padding=1)
        >>> raw = torch.randint(256, (1, 1, 8, 8), dtype=torch.uint8)
        >>> folded = fold(layer, "0.1307/0.3081", image_size=8)
        >>> normalized = (raw / 255 - 0.1307) / 0.3081
        >>> bool((folded.model(raw) - layer(normalized)).abs().max() < 1e-5)
        True
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise NormscopeError(
            "the model must have layers that can be replaced, got a TorchScript program. Save it "
            "and fold its file: normscope fold FILE.pt."
        )
    if isinstance(normalization, str):
        normalization = Normalization.parse(normalization)
    if to == "uint8":
        check_of_unit(normalization, "normalization")
    size = image_size if isinstance(image_size, Sequence) else (image_size, image_size)
    check_at_least(1, min(size), "image_size")
    check_at_least(1, 1 if channels is None else channels, "channels")
    before = Before.of(normalization, to, channels, residual=residual)
    if channels is None and before.channels == 1:
        before = Before.of(normalization, to, channels_taken(model), residual=residual)
    original = copied(model).eval().requires_grad_(False)
    new = copied(original)
    changes: dict[str, dict[str, Any]] = {}
    new = _fold_into(new, normalization, before, size, changes)
    called = [name for name, plan in changes.items() if plan["kind"] != "Identity"]
    check_first_answers(original, new, called, before.affine, size)
    return Folded(
        model=RawPixels(new, floating_dtype(original)), normalization=normalization,
        takes=before.takes, scale=before.scale, changes=changes, channels=before.channels,
        image_size=size,
    )  # fmt: skip


def _fold_into(
    model: nn.Module,
    normalization: Normalization,
    before: Before,
    size: tuple[int, int],
    changes: dict[str, dict[str, Any]],
) -> nn.Module:
    affine, channels = before.affine, before.channels
    entries = find_entries(model, channels, size)
    for entry in entries:
        _check_once(entry, normalization, channels)
    if len(entries) == 1 and isinstance(entries[0].layer, BATCH_NORMS):
        behind = _fold_behind(model, entries[0], affine, channels, size, changes)
        if behind is not None:
            return behind
    for entry in entries:
        model = _fold_entry(model, entry, entry.meets(affine), changes)
    return model


def _check_once(entry: Entry, normalization: Normalization, channels: int) -> None:
    if entry.own is None or sorted(entry.features) != list(range(channels)):
        return
    twice = done_by(entry.own.take(np.argsort(entry.features).tolist()), normalization)
    if twice is not None:
        pixels, first = twice
        raise NormscopeError(
            f"the network must not already do the normalization, got one that applies "
            f"{normalization} itself to pixels of {pixels}. Give what is applied before the "
            f"network: {first}."
        )


def _fold_entry(
    model: nn.Module, entry: Entry, here: Affine, changes: dict[str, dict[str, Any]]
) -> nn.Module:
    if isinstance(entry.layer, BATCH_NORMS):
        plan, state = shifted_batch_norm(entry.layer, here)
        return _replace(model, entry.name, plan, state, changes)
    plan = _plan(entry, here)
    if plan is None:
        raise NormscopeError(
            f"a value of each channel must become 0 for {entry.name or WHOLE} to be padded with "
            "it, got a channel that is constant. Keep the normalization outside the model."
        )
    return _replace_entry(model, entry, plan, here, changes)


def _fold_behind(
    model: nn.Module,
    entry: Entry,
    affine: Affine,
    channels: int,
    size: tuple[int, int],
    changes: dict[str, dict[str, Any]],
) -> nn.Module | None:
    # Without the BatchNorm, the pixels meet the next layer first: if that can take both maps, the
    # BatchNorm is gone.
    if entry.features != tuple(range(channels)):
        return None
    without = put_layer(copied(model), entry.name, nn.Identity())
    try:
        following = find_entry(without, channels, size)
    except NormscopeError:
        return None
    if following.own is not None or isinstance(following.layer, BATCH_NORMS):
        return None
    here = affine.then(batch_norm_affine(entry.layer)).take(following.features)
    plan = _plan(following, here)
    if plan is None:
        return None
    if entry.name:
        changes[entry.name] = {"kind": "Identity"}
    return _replace_entry(without, following, plan, here, changes)


def _replace_entry(
    model: nn.Module,
    entry: Entry,
    plan: dict[str, Any],
    affine: Affine,
    changes: dict[str, dict[str, Any]],
) -> nn.Module:
    padding = entry.padding
    if padding is not None and padding.module is not None:
        changes[padding.module] = {"kind": "Identity"}
        model = put_layer(model, padding.module, nn.Identity())
    value = affine.becoming(0.0 if padding is None else padding.value)
    return _replace(
        model, entry.name, plan, _folded_state(entry.layer, affine, plan, value), changes
    )


def _replace(
    model: nn.Module,
    name: str,
    plan: dict[str, Any],
    state: dict[str, Tensor],
    changes: dict[str, dict[str, Any]],
) -> nn.Module:
    like = next(iter(state.values()))
    layer = build_layer(plan).to(like.device, like.dtype).eval().requires_grad_(False)
    layer.load_state_dict(state, strict=False)
    changes[name] = plan
    return put_layer(model, name, layer)


def _plan(entry: Entry, affine: Affine) -> dict[str, Any] | None:
    layer, padding = entry.layer, entry.padding
    if isinstance(layer, nn.Linear):
        return {
            "kind": "Linear",
            "in_features": layer.in_features,
            "out_features": layer.out_features,
        }
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    plan: dict[str, Any] = {
        "kind": "Convolution",
        "dimensions": len(layer.kernel_size),
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "kernel_size": list(layer.kernel_size),
        "stride": list(layer.stride),
        "dilation": list(layer.dilation),
        "groups": layer.groups,
    }
    sides = _sides(layer)
    if padding is not None:
        if not np.isfinite(affine.becoming(padding.value)).all():
            return None
        total: Any = [a + b for a, b in zip(sides, padding.sides, strict=True)]
        apart = padding.inside or padding.module is not None
        before = {} if apart else {"before": list(padding.sides)}
        total = "same" if padding.same else total
        return {**plan, "kind": "PaddedConvolution", "sides": total, **before}
    if not any(sides) and not entry.computed:
        return plan
    # Its own class would compute other weights from the folded ones: they get another name, even
    # where nothing is padded, so that it does not take them.
    if layer.padding_mode == "zeros":
        if not np.isfinite(affine.zeros).all():
            return None
        return {**plan, "kind": "PaddedConvolution", "sides": sides}
    # All other modes pad with pixels, which the folded layer normalizes as it does the others.
    padding = layer.padding if isinstance(layer.padding, str) else list(layer.padding)
    return {**plan, "padding": padding, "padding_mode": layer.padding_mode}


def _sides(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> list[int]:
    # As functional.pad takes them: the last dimension first.
    sides: list[int] = []
    for axis in reversed(range(len(layer.kernel_size))):
        if layer.padding == "same":
            total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            sides += [total // 2, total - total // 2]
        else:
            width = 0 if layer.padding == "valid" else int(layer.padding[axis])
            sides += [width, width]
    return sides


def _folded_state(
    layer: nn.Module, affine: Affine, plan: dict[str, Any], padded: np.ndarray
) -> dict[str, Tensor]:
    weight = layer.get_parameter("weight") if "weight" in layer._parameters else layer.weight
    assert isinstance(weight, Tensor)
    scaled, bias = affine.into(weight.detach().double().cpu().numpy(), plan.get("groups", 1))
    if isinstance(layer.bias, Tensor):
        bias += layer.bias.detach().double().cpu().numpy()
    prefix = "convolution." if plan["kind"] == "PaddedConvolution" else ""
    state = {
        f"{prefix}weight": torch.from_numpy(scaled),
        f"{prefix}bias": torch.from_numpy(bias),
    }
    if prefix:
        value = torch.from_numpy(padded)
        state["pad.value"] = value.reshape(-1, *[1] * plan["dimensions"])
    return {name: t.to(weight.device, weight.dtype) for name, t in state.items()}
