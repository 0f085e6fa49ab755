"""What the attributes of OME-Zarr say (NGFF 0.4 and 0.5): full resolutions, axes and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST_AXES = "tczyx"
"""Of versions before 0.3, which name none."""


@dataclass(frozen=True)
class OmeImage:
    """An image of several resolutions.

    Attributes:
        full: Where the array of the full resolution lies, below its group.
        dims: The names of its axes, with ``channel`` for the one of that type.
        channel_names: Of each channel, or nothing.
        is_label: Whether it holds the classes of another image's pixels.
    """

    full: str
    dims: tuple[str, ...]
    channel_names: tuple[str, ...]
    is_label: bool


def ome_image(attributes: Mapping[str, Any]) -> OmeImage | None:
    """What the attributes of a group say.

    Args:
        attributes: The group's.

    Returns:
        Its image, or None if it is none.

    Example:
        >>> axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
        >>> ome_image({"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}).full
        '0'
    """
    said = attributes.get("ome", attributes)
    try:
        image = said["multiscales"][0]
        full = str(image["datasets"][0]["path"]).strip("/")
        dims = tuple(_axis_name(axis) for axis in image.get("axes", OLDEST_AXES))
        channels = said.get("omero", {}).get("channels", [])
        names = tuple(str(channel.get("label", "")) for channel in channels)
        return OmeImage(full, dims, names if all(names) else (), "image-label" in said)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def is_plate(attributes: Mapping[str, Any]) -> bool:
    """Whether a group holds the wells of a plate, all of whose fields are images of one kind."""
    said = attributes.get("ome", attributes)
    return isinstance(said, dict) and "plate" in said


def _axis_name(axis: Any) -> str:
    if isinstance(axis, str):
        return axis
    return "channel" if axis.get("type") == "channel" else str(axis["name"])
