"""DICOM images: what the modality measured, frame by frame."""

from __future__ import annotations

import io
import math
from collections.abc import MutableSequence
from typing import Any

import numpy as np

from normscope.errors import MissingExtra
from normscope.images.pixels import (
    APPLIED,
    PARTS,
    UNIT,
    Pixels,
    UnreadableImage,
    check_bytes,
    check_size,
)
from normscope.quiet import without_warnings

SERIES_DIGITS = 8
"""Of a series' identifier, the last; what stands before them names who made it."""


def decode_dicom(data: bytes) -> Pixels:
    """Decode every frame of a DICOM file, its slope and intercept, or its dose scaling, applied.

    Pixels of the padding value (PS3.3, C.7.5.1.1.2) do not count. Values of MONOCHROME1, in which
    high ones are dark, stay as they are stored.

    Args:
        data: The file's bytes.

    Returns:
        One image a frame.

    Raises:
        MissingExtra: If pydicom is not installed.
        UnreadableImage: If the file holds no image, is truncated, or claims too many pixels.
    """
    try:
        import pydicom
    except ImportError:
        raise MissingExtra("pydicom", "DICOM images") from None
    try:
        with without_warnings():
            header = pydicom.dcmread(io.BytesIO(data))
            return _decoded(header)
    except UnreadableImage:
        raise
    except Exception as error:  # noqa: BLE001 - decoders of many kinds, each with errors of its own
        # The first line only announces what each decoder says.
        lines = (str(error) or type(error).__name__).splitlines()
        reason = " ".join(line.strip() for line in lines[: 1 + lines[0].endswith(":")]).rstrip(".")
        raise UnreadableImage(f"not a readable DICOM image: {reason}") from None


def _decoded(header: Any) -> Pixels:
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
    from pydicom.pixels.utils import pixel_array

    if "Rows" not in header or "Columns" not in header:
        raise UnreadableImage("a DICOM file without an image")
    check_size(header.Rows, header.Columns)
    frames, samples = int(header.get("NumberOfFrames") or 1), header.get("SamplesPerPixel", 1)
    bytes_ = header.Rows * header.Columns * frames * samples * header.get("BitsAllocated", 8) // 8
    check_bytes(bytes_)
    stored = pixel_array(header)
    noticed = []
    kind = header.get("PhotometricInterpretation", "")
    if kind == "PALETTE COLOR":
        stored, samples = apply_color_lut(stored, header), 3
    if kind == "MONOCHROME1":
        noticed.append("of MONOCHROME1, in which high values are dark: they stay as stored")
    if frames > 1:
        noticed.append("that are frames of one file" + PARTS)
    values = _as_images(stored, samples)
    valid = _without_padding(values, header, noticed) if samples == 1 else None
    transforms = _of_frames(header, frames, "PixelValueTransformationSequence")
    if "ModalityLUTSequence" in header or _is_rescaled(header, [header]):
        values = _as_images(np.asarray(apply_modality_lut(stored, header), np.float64), samples)
        noticed.append(f"with a slope and intercept, {APPLIED}{_unit(header, [header])}")
    elif _is_rescaled(header, transforms):
        of_frames = np.array([_rescaling(item) for item in transforms], np.float64)
        slopes, intercepts = of_frames.T[:, :, None, None, None]
        values = values * slopes + intercepts
        noticed.append(f"with a slope and intercept, {APPLIED}{_unit(header, transforms)}")
    elif header.get("DoseGridScaling"):
        unit = "Gy" if header.get("DoseUnits") == "GY" else "relative dose"
        values = values * float(header.DoseGridScaling)
        noticed.append(f"with scalings of dose, {APPLIED}{UNIT}{unit}")
    elif header.get("BitsStored", 0) not in {header.get("BitsAllocated"), 1}:
        signed = header.get("PixelRepresentation", 0)
        most, least = 2 ** (header.BitsStored - signed) - 1, -signed
        noticed.append(f"of {header.BitsStored} bits: --scale {most} brings them to [{least}, 1]")
    windows = {_window(item) for item in _of_frames(header, frames, "FrameVOILUTSequence")}
    window = _window(header) or (windows.pop() if len(windows) == 1 else None)
    window = window if samples == 1 else None
    return Pixels(values, valid, noticed=tuple(noticed), series=_series(header), window=window)


def _of_frames(header: Any, frames: int, name: str) -> list[Any]:
    """What an enhanced file says of each frame, or of all (PS3.3, C.7.6.16); else nothing."""
    shared = (header.get("SharedFunctionalGroupsSequence") or [{}])[0]
    each = header.get("PerFrameFunctionalGroupsSequence") or [{}] * frames
    found = [said[0] for group in each if (said := group.get(name) or shared.get(name))]
    return found if len(found) == len(each) == frames else []


def _rescaling(item: Any) -> tuple[Any, Any]:
    return item.get("RescaleSlope", 1), item.get("RescaleIntercept", 0)


def _is_rescaled(header: Any, items: list[Any]) -> bool:
    """Whether values become others, or have a unit already: of CT, HU may be stored as they are."""
    known = any("RescaleSlope" in item for item in items) and _unit(header, items)
    return bool(known) or any(_rescaling(item) != (1, 0) for item in items)


def _unit(header: Any, transforms: list[Any]) -> str:
    """In which unit rescaled values are, as what is said of them ends; US means unspecified."""
    usual = {"CT": "HU", "PT": header.get("Units")}.get(header.get("Modality"))
    units = {item.get("RescaleType") or usual for item in transforms}
    unit = units.pop() if len(units) == 1 else None
    return "" if unit in {None, "", "US"} else f"{UNIT}{unit}"


def _window(header: Any) -> tuple[float, float] | None:
    """The ends of the header's first window, as its function has them (PS3.3, C.11.2.1.2)."""
    centre, width = (_first(header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or not math.isfinite(centre + width):
        return None
    function = header.get("VOILUTFunction") or "LINEAR"
    if function == "LINEAR" and width >= 1:
        centre, width = centre - 0.5, width - 1
    elif function != "LINEAR_EXACT" or width <= 0:
        return None
    return centre - width / 2, centre + width / 2


def _first(value: Any) -> float | None:
    several = value if isinstance(value, MutableSequence) else [value]
    return None if not several or several[0] in {None, ""} else float(several[0])


def _series(header: Any) -> str:
    """What tells a file's series from others: its description, and the end of its identifier."""
    unique = str(header.get("SeriesInstanceUID") or "")
    said = str(header.get("SeriesDescription") or header.get("Modality") or "").strip()
    return f"{said} ...{unique[-SERIES_DIGITS:]}".strip() if unique else ""


def _as_images(stored: np.ndarray, samples: int) -> np.ndarray:
    if samples == 1:
        return stored.reshape(-1, 1, *stored.shape[-2:])
    return np.moveaxis(stored.reshape(-1, *stored.shape[-3:]), -1, 1)


def _without_padding(values: np.ndarray, header: Any, noticed: list[str]) -> np.ndarray | None:
    padding = header.get("PixelPaddingValue")
    if padding is None:
        return None
    ends = sorted([int(padding), int(header.get("PixelPaddingRangeLimit", padding))])
    counted = (values < ends[0]) | (values > ends[1])
    if counted.all():
        return None
    said = str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    what = "with pixels of the padding value that the header names"
    noticed.append(f"{what}, {said}: these do not count")
    return counted
