"""What a TIFF says of its channels: their names, and what turns stored values into measured ones.

GDAL keeps descriptions, scales and offsets as XML in a tag of its own (its GeoTIFF driver),
OME-TIFF channel names in the image's description (https://docs.openmicroscopy.org/ome-model/).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from normscope.images.pillow import GDAL_METADATA
from normscope.images.pixels import APPLIED

if TYPE_CHECKING:
    from tifffile import TiffFile

    from normscope.images.pixels import Pixels

OF_THEIR_OWN = "whose bands have scales and offsets of their own in the header: none is applied"
LONGEST_NAME = 40


@dataclass(frozen=True)
class ChannelMetadata:
    """What is said of an image's channels.

    Attributes:
        names: One a channel, or nothing.
        scale: Multiplies stored values, where all channels share one.
        offset: Is added then.
        noticed: As of ``Pixels``.
    """

    names: tuple[str, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    noticed: tuple[str, ...] = ()

    def applied(self, pixels: Pixels) -> Pixels:
        """Pixels as measured, with the names of their channels.

        Args:
            pixels: As stored.

        Returns:
            Floats of 64 bits where there is a scale or an offset.
        """
        values = pixels.values
        if (self.scale, self.offset) != (1.0, 0.0):
            values = values.astype(np.float64) * self.scale + self.offset
        names = self.names if len(self.names) == values.shape[1] else ()
        noticed = (*pixels.noticed, *self.noticed)
        return replace(pixels, values=values, names=names, noticed=noticed)


def channel_metadata(file: TiffFile, page: Any) -> ChannelMetadata:
    """Read what a TIFF says of its images' channels.

    Args:
        file: The TIFF.
        page: The first of them.

    Returns:
        It; nothing where it says nothing, or not in the form of its format.
    """
    tag = page.tags.get(GDAL_METADATA)
    if tag is not None:
        return _of_gdal(_parsed(str(tag.value)))
    if file.is_ome:
        root = _parsed(file.ome_metadata or "")
        image = None if root is None else root.find("{*}Image/{*}Pixels")
        if image is not None:
            channels = image.findall("{*}Channel")
            return ChannelMetadata(_named([channel.get("Name", "") for channel in channels]))
    return ChannelMetadata()


def _of_gdal(root: ET.Element | None) -> ChannelMetadata:
    found: dict[str, dict[int, str]] = {"description": {}, "scale": {}, "offset": {}}
    for item in () if root is None else root.iter("Item"):
        role, sample = item.get("role", ""), item.get("sample", "")
        if role in found and sample.isdecimal():
            found[role][int(sample)] = item.text or ""
    channels = 1 + max((sample for kind in found.values() for sample in kind), default=-1)
    names = _named([found["description"].get(channel, "") for channel in range(channels)])
    scales = {_number(found["scale"].get(channel), 1.0) for channel in range(channels)} or {1.0}
    offsets = {_number(found["offset"].get(channel), 0.0) for channel in range(channels)} or {0.0}
    if len(scales) > 1 or len(offsets) > 1:
        return ChannelMetadata(names, noticed=(OF_THEIR_OWN,))
    scale, offset = scales.pop(), offsets.pop()
    if (scale, offset) == (1.0, 0.0):
        return ChannelMetadata(names)
    said = f"with the scale {scale:g} and the offset {offset:g} in the header, {APPLIED}"
    return ChannelMetadata(names, scale, offset, (said,))


def _parsed(text: str) -> ET.Element | None:
    # Entities, which could unfold to any length, belong to neither format.
    if "<!" in text.replace("<!--", ""):
        return None
    try:
        return ET.fromstring(text)  # noqa: S314 - without entities
    except ET.ParseError:
        return None


def _named(names: list[str]) -> tuple[str, ...]:
    cleaned = ["".join(c for c in name if c.isprintable()).strip()[:LONGEST_NAME] for name in names]
    if not any(cleaned):
        return ()
    return tuple(name or str(channel) for channel, name in enumerate(cleaned))


def _number(text: str | None, otherwise: float) -> float:
    try:
        number = otherwise if text is None else float(text)
    except ValueError:
        return otherwise
    return number if np.isfinite(number) else otherwise
