"""Videos: every frame, or every n-th, as an image."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.error import FFmpegError

from normscope.errors import NormscopeError
from normscope.images.collection import Stream, check_split_is_whole
from normscope.images.encoded import not_readable, open_binary, stamp
from normscope.images.pixels import ALIKE, MAX_PIXELS, UnreadableImage
from normscope.images.shards import ArrayShard, SkippedShard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from normscope.images.containers.opening import Wanted
    from normscope.images.shards import Shard

SHARD_BYTES = 2**22
EVERY = re.compile(r"every=([1-9]\d{0,8})")

MATROSKA_MAGIC = b"\x1aE\xdf\xa3"
MOV_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def open_stream(wanted: Wanted) -> Stream:
    """Open a video.

    Args:
        wanted: The file, and perhaps ``every=N`` for every n-th frame alone.

    Returns:
        Its frames, in the order they are shown.

    Raises:
        NormscopeError: If it is no video, or the part is another.
    """
    path = wanted.path
    check_split_is_whole(path, wanted.split)
    asked = EVERY.fullmatch(wanted.part or "every=1")
    if asked is None:
        raise NormscopeError(
            f"{path}::{wanted.part} must say which frames count as ::every=N with N from 1, got "
            f"::{wanted.part}. Give such a number, or leave it out for every frame."
        )
    every = int(asked[1])
    with _opened(path) as container:
        frames = container.streams.video[0].frames
    total = float(-(-frames // every)) if frames else None
    which = "Every frame" if every == 1 else f"One of every {every} frames"
    note = f"{which} of {path} counts as an image, as FFmpeg converts it to RGB or grey."
    return Stream(path, lambda: _shards(path, every), lambda: total, notes=(note, ALIKE))


def _shards(path: str, every: int) -> Iterator[Shard]:
    start, index = 0, 0
    waiting: list[np.ndarray] = []
    origin = (path, every, stamp(path))

    def stacked() -> ArrayShard:
        return ArrayShard(start, np.stack(waiting), None, origin)

    with _opened(path) as container:
        for frame in _frames(container):
            index += 1
            if (index - 1) % every:
                continue
            pixels = frame if isinstance(frame, UnreadableImage) else _pixels(frame)
            is_image = isinstance(pixels, np.ndarray)
            if waiting and not (is_image and _fits(waiting, pixels)):
                yield stacked()
                start, waiting = start + len(waiting), []
            if is_image:
                waiting.append(pixels)
            else:
                yield SkippedShard(start, pixels)
                start += 1
    if waiting:
        yield stacked()


def _frames(container: Any) -> Iterator[av.VideoFrame | UnreadableImage]:
    stream = container.streams.video[0]
    # Several threads decode ahead, while workers sum.
    stream.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError as error:
            yield UnreadableImage(f"a frame that cannot be decoded: {error.strerror}")
            continue
        yield from frames


def _pixels(frame: av.VideoFrame) -> np.ndarray:
    components = frame.format.components
    deep = components[0].bits > 8
    if len(components) == 1 and not frame.format.has_palette and not frame.format.is_rgb:
        return frame.to_ndarray(format="gray16le" if deep else "gray")[None]
    return frame.to_ndarray(format="rgb48le" if deep else "rgb24").transpose(2, 0, 1)


def _fits(waiting: list[np.ndarray], image: np.ndarray) -> bool:
    first = waiting[0]
    alike = first.shape == image.shape and first.dtype == image.dtype
    return alike and (len(waiting) + 1) * image.nbytes <= SHARD_BYTES


def _format_of(head: bytes) -> str | None:
    # By the first bytes, because a playlist under a video's name would lead to other files.
    if head.startswith(MATROSKA_MAGIC):
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    return "mov" if head[4:8] in MOV_BOXES else None


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    is_open = False
    try:
        with open_binary(path) as raw:
            kind = _format_of(raw.read(12))
            raw.seek(0)
            if kind is None:
                raise NormscopeError(_no_video(path, "a file of another kind"))
            with av.open(raw, format=kind) as container:
                if not container.streams.video:
                    raise NormscopeError(_no_video(path, "no video stream in it"))
                if container.streams.video[0].codec_context is None:
                    raise NormscopeError(_no_video(path, "a codec that FFmpeg does not know"))
                is_open = True
                yield container
    except (FFmpegError, ValueError) as error:
        met = getattr(error, "strerror", None) or str(error)
        if is_open:
            raise NormscopeError(f"{path} must be whole, got: {met}. Copy it again.") from None
        raise NormscopeError(_no_video(path, met)) from None
    except OSError as error:
        raise NormscopeError(not_readable(path, error)) from None


def _no_video(path: str, met: str) -> str:
    return (
        f"{path} must be a video in MP4, MOV, Matroska, WebM or AVI, got: {met}. "
        "Copy it again, or convert it."
    )
