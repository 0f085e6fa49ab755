"""What a TIFF says of its channels: their names, and what turns stored values into measured ones.

GDAL keeps descriptions, scales and offsets as XML in a tag of its own (its GeoTIFF driver),
OME-TIFF channel names in the image's description (https://docs.openmicroscopy.org/ome-model/).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from normscope.images.pillow import GDAL_METADATA
from normscope.images.pixels import APPLIED, UnreadableImage

if TYPE_CHECKING:
    from tifffile import TiffFile

    from normscope.images.pixels import Pixels

OF_THEIR_OWN = "whose bands have scales and offsets of their own in the header: none is applied"
LONGEST_NAME = 40

MOST_PLANES = 2**21
"""Of an image in OME-TIFF, in all of its files: listing so many takes ten seconds."""

ENTITY = "<!ENTITY"
"""How the declaration of an entity of XML begins, which could unfold to any length."""


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


def check_planes(file: TiffFile) -> None:
    """Refuse an OME-TIFF that promises so many planes that tifffile would be busy listing them.

    Args:
        file: A TIFF, of which tifffile has listed nothing yet.

    Raises:
        UnreadableImage: If it promises more than ``MOST_PLANES``.
        ValueError: If a size is no number.
    """
    if not file.is_ome:
        return
    text = file.ome_metadata or ""
    if ENTITY in text:
        raise UnreadableImage("OME-XML that declares entities, which its format has not")
    root = _parsed(text)
    area = max(1, file.pages.first.size)
    planes = 0.0
    for element in () if root is None else root.iter():
        said = element.attrib
        order = said.get("DimensionOrder", "")
        sizes = [abs(int(said.get(f"Size{axis}", 0))) for axis in order][::-1]
        planes += max(math.prod(sizes[:-2]), math.prod(sizes) // area) if order else 0
        planes += sum(abs(int(said.get(count, 0))) for count in ("PlaneCount", "NumPlanes"))
        if "Start" in said and "End" in said:
            span = float(said["End"]) - float(said["Start"])
            planes += abs(span / (float(said.get("Step", 1)) or 1))
    if not planes <= MOST_PLANES:
        raise UnreadableImage(f"its OME-XML promises {planes:.0f} planes, more than {MOST_PLANES}")


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
    if ENTITY in text:
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
