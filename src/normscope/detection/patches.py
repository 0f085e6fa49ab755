"""What the first convolution answers to raw pixels: sums over patches, exact, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from normscope.detection.augmented_views import Views
from normscope.detection.candidates import BGR, RGB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from normscope.detection.augmented_views import AssumedAugmentation

PATCH_BYTES = 2**25
"""Patches are unfolded for so many bytes at a time, which stay in the processor's cache."""


def response_moments(
    layer: nn.Conv2d,
    images: Tensor,
    augmentation: AssumedAugmentation,
    orders: Sequence[str] = (RGB,),
    seed: int = 0,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    r"""First and second moments of the parts that a convolution's outputs are made of.

    An output of filter :math:`k` at a place is :math:`\beta_k + \sum_c (a_c U_{kc} + b_c V_{kc})`
    with :math:`a_c = 1/\mathrm{std}_c`, :math:`b_c = -\mathrm{mean}_c/\mathrm{std}_c`: :math:`U`
    is the filter's answer to the raw pixels of channel :math:`c`, and :math:`V` its answer to an
    image that is 1 where pixels are normalized and 0 where the padding is, which lies in
    normalized units. Both come from the covariance of patches, in float64 throughout.

    Args:
        layer: The first convolution.
        images: uint8 or floating point in [0, 1], shape ``(N, C, H, W)``.
        augmentation: What the network was shown of them.
        orders: In which the layer may take the images' channels.
        seed: Of the places of crops.

    Returns:
        For each order the means over places and views of the ``2 C`` parts :math:`(U, V)`, shape
        ``(N, K, 2 C)``, and of their products, shape ``(N, K, 2 C, 2 C)``. Channels are in the
        images' order.
    """
    parts = torch.cat([_weights_of_parts(layer, order) for order in orders])
    at_once = max(1, PATCH_BYTES // _bytes_of_patches(layer, images, augmentation))
    first, second = [], []
    for start in range(0, len(images), at_once):
        chunk = as_unit_range(images[start : start + at_once]).to(layer.weight.device)
        sums, gram = _patch_moments(layer, Views.of(chunk, augmentation, seed + start))
        first.append(torch.einsum("kpt,nt->nkp", parts, sums).cpu())
        # One after another: the order decides whether a large tensor is made in between.
        halfway = torch.einsum("kpt,ntu->nkpu", parts, gram)
        second.append(torch.einsum("nkpu,kqu->nkpq", halfway, parts).cpu())
    of_orders = [torch.cat(chunks).chunk(len(orders), 1) for chunks in (first, second)]
    return {
        order: (of_first.numpy(), of_second.numpy())
        for order, of_first, of_second in zip(orders, *of_orders, strict=True)
    }


def as_unit_range(images: Tensor) -> Tensor:
    """Pixels as float64 in [0, 1].

    Args:
        images: uint8, or already in [0, 1].

    Returns:
        The same values.
    """
    return images.double() / 255 if images.dtype == torch.uint8 else images.double()


def _weights_of_parts(layer: nn.Conv2d, order: str) -> Tensor:
    """What each part takes of a patch: shape ``(K, 2 C, (C + 1) T)``."""
    weight = layer.weight.detach().double().flatten(2)
    if order == BGR:
        weight = weight.flip(1)
    filters, channels, taps = weight.shape
    parts = weight.new_zeros(filters, 2 * channels, channels + 1, taps)
    for channel in range(channels):
        parts[:, channel, channel] = weight[:, channel]
        parts[:, channels + channel, channels] = weight[:, channel]
    return parts.flatten(2)


def _patch_moments(layer: nn.Conv2d, views: Views) -> tuple[Tensor, Tensor]:
    count, of_image = views.pixels.shape[:2]
    planes = torch.cat([views.pixels, views.inside], 2).flatten(0, 1)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(planes, layer._reversed_padding_repeated_twice, mode=mode)
    patches = F.unfold(padded, layer.kernel_size, layer.dilation, 0, layer.stride)  # type: ignore[arg-type]
    places = patches.shape[-1] * of_image
    gram = torch.bmm(patches, patches.transpose(1, 2))
    by_image = (count, of_image)
    return (
        patches.sum(-1).unflatten(0, by_image).sum(1) / places,
        gram.unflatten(0, by_image).sum(1) / places,
    )


def _bytes_of_patches(layer: nn.Conv2d, images: Tensor, augmentation: AssumedAugmentation) -> int:
    views = Views.of(images[:1], augmentation, 0).pixels.shape[1]
    taps = int(np.prod(layer.kernel_size)) * (images.shape[1] + 1)
    places = int(np.prod(images.shape[2:])) // int(np.prod(layer.stride)) + 1
    return 8 * views * taps * places
