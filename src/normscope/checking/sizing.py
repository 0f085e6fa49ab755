"""At which size a network is shown images, where nobody says it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from normscope.errors import NormscopeError
from normscope.images.decode import decode_as_8_bits
from normscope.images.decoded import Skipped
from normscope.images.originals import none_readable
from normscope.images.pixels import UnreadableImage
from normscope.images.resizing import resized
from normscope.images.size import Size, as_resize
from normscope.images.transform import ImageTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from normscope.checking.depth import Depth
    from normscope.checking.options import CheckOptions
    from normscope.images.originals import Originals
    from normscope.models.claims import Claims


def sizing(
    options: CheckOptions, stated: Claims, originals: Originals, depth: Depth
) -> tuple[ImageTransform, list[str]]:
    """How images are resized and cropped.

    What a library states of the weights that it publishes is only a guess of a user's own. Those
    are shown smaller images, where all have one size, as they are: enlarged ones are smooth, which
    changes what every BatchNorm meets.

    Args:
        options: Of the check.
        stated: What is said of the model.
        originals: The images.
        depth: Of their pixels.

    Returns:
        The resize and crop, and a sentence where they are such a guess.
    """
    resize, crop = as_resize(options.resize), options.crop
    sized = next((c for c in stated.claims if c.resize or c.crop), None)
    if resize is not None or crop is not None or sized is None:
        return ImageTransform(resize, crop), []
    square = sized.squashed and sized.resize
    resize = Size(sized.resize, sized.resize) if square and sized.resize else sized.resize
    transform = ImageTransform(resize, sized.crop)
    if not sized.of_others:
        return transform, []
    side = sized.crop or sized.resize or 0
    as_they_are = _one_size_below(side, originals, depth)
    said = (
        f"They are shown as they are, since the {side} pixels of {sized.source} are of its own "
        "weights; if these were trained on enlarged images, give --resize and --crop."
        if as_they_are
        else f"They are shown at the size that {sized.source} states of its own weights; if these "
        "were trained at another, give --resize and --crop."
    )
    return ImageTransform(None, None) if as_they_are else transform, [said]


def met(
    originals: Originals, transform: ImageTransform, depth: Depth
) -> tuple[int, tuple[int, int]]:
    """How many channels the images have, and the height and width that they are shown at.

    Args:
        originals: The images.
        transform: How they are resized and cropped.
        depth: Of their pixels.

    Returns:
        Both, of the first that can be read.

    Raises:
        NormscopeError: If none can.
    """
    skipped: list[Skipped] = []
    pixels = next(_decoded(originals, depth, skipped), None)
    if pixels is None:
        raise NormscopeError(none_readable(originals.name, skipped))
    channels = pixels.shape[1]
    if transform.crop:
        return channels, (transform.crop, transform.crop)
    if transform.resize:
        pixels = resized(pixels, None, transform.resize, None)[0]
    height, width = pixels.shape[-2:]
    return channels, (height, width)


def _one_size_below(side: int, originals: Originals, depth: Depth) -> bool:
    sizes = set()
    for pixels in _decoded(originals, depth, []):
        sizes.add(pixels.shape[-2:])
        if len(sizes) > 1 or min(pixels.shape[-2:]) >= side:
            return False
    return bool(sizes)


def _decoded(originals: Originals, depth: Depth, skipped: list[Skipped]) -> Iterator[np.ndarray]:
    for image in originals.images:
        try:
            yield decode_as_8_bits(image.read(), depth.full).values
        except UnreadableImage as error:
            skipped.append(Skipped(Path(image.path), str(error)))
