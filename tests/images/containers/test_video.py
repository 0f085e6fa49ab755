"""Videos, made and independently decoded by PyAV."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from normscope import stats
from normscope.errors import NormscopeError
from normscope.images.stream import open_stream
from tests.images.containers.made import check, encode, random_images, try_damaged

av = pytest.importorskip("av", reason="the package av is not installed")


def _make(path, frames, codec, pixel_format="yuv420p"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixel_format
        for pixels in frames:
            grey = pixels.ndim == 2
            frame = av.VideoFrame.from_ndarray(pixels, "gray" if grey else "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _decoded(path):
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_image()) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.mov", "mpeg4"), ("a.mkv", "mpeg4"), ("a.avi", "mpeg4"),
     ("a.mov", "mjpeg"), ("a.webm", "libvpx")],
)  # fmt: skip
def test_the_frames_are_those_that_pyav_decodes(tmp_path, name, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV was built without {codec}")
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = _make(tmp_path / name, random_images(25, (48, 64, 3)), codec, pixel_format)
    expected = _decoded(path)
    assert len(expected) == 25
    found = stats(path, workers=2)
    check(found, expected)
    assert (
        f"Every frame of {path} counts as an image, as FFmpeg converts it to RGB or grey."
        in found.notes
    )
    found = stats(f"{path}::every=4")
    check(found, expected[::4])
    assert (
        f"One of every 4 frames of {path} counts as an image, as FFmpeg converts it to RGB or grey."
    ) in found.notes


def test_lossless_frames_are_those_that_were_made(tmp_path):
    frames = random_images(5, (40, 30, 3))
    check(stats(_make(tmp_path / "a.mkv", frames, "ffv1", "bgr0")), frames)
    grey = frames[..., 0]
    check(stats(_make(tmp_path / "b.mkv", grey, "ffv1", "gray")), grey[..., None])


def test_frames_of_more_than_8_bits_keep_them(tmp_path):
    frames = random_images(3, (16, 16, 3))
    found = stats(_make(tmp_path / "a.mkv", frames, "ffv1", "gbrp10le"))
    assert found.dtype == "uint16"
    np.testing.assert_allclose(found.mean.value, frames.mean((0, 1, 2)) / 255, atol=2e-3)


def test_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("normscope.images.containers.video.SHARD_BYTES", 2**16)
    frames = random_images(20, (64, 64, 3))
    path = _make(tmp_path / "a.mkv", frames, "ffv1", "bgr0")
    shards = list(open_stream(path).shards())
    assert [(shard.start, shard.count) for shard in shards] == [(0, 5), (5, 5), (10, 5), (15, 5)]


def test_wrong_calls(tmp_path):
    path = _make(tmp_path / "a.mkv", random_images(2, (16, 16, 3)), "ffv1", "bgr0")
    for part in ("every=0", "every=x", "frames"):
        with pytest.raises(NormscopeError) as error:
            stats(f"{path}::{part}")
        assert str(error.value) == (
            f"{path}::{part} must say which frames count as ::every=N with N from 1, got ::{part}. "
            "Give such a number, or leave it out for every frame."
        )


def test_other_files_under_these_names(tmp_path):
    playlist = b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"
    for data in (b"", b"no video", playlist, encode(random_images(1)[0])):
        path = tmp_path / "a.mp4"
        path.write_bytes(data)
        with pytest.raises(NormscopeError) as error:
            stats(path)
        assert str(error.value) == (
            f"{path} must be a video in MP4, MOV, Matroska, WebM or AVI, got: a file of another "
            "kind. Copy it again, or convert it."
        )


def test_a_video_that_is_cut(tmp_path):
    whole = _make(tmp_path / "w.mp4", random_images(5, (48, 64, 3)), "mpeg4")
    path = tmp_path / "a.mp4"
    path.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must be a video in MP4, MOV, Matroska, WebM or AVI, got: Invalid data found when "
        "processing input. Copy it again, or convert it."
    )


def test_a_file_with_sound_alone(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(NormscopeError) as error:
        stats(path)
    assert str(error.value) == (
        f"{path} must be a video in MP4, MOV, Matroska, WebM or AVI, got: no video stream in it. "
        "Copy it again, or convert it."
    )


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mpeg4")])
def test_damaged_videos_end_in_a_sentence(tmp_path, name, codec):
    path = _make(tmp_path / name, random_images(4, (16, 16, 3)), codec)
    try_damaged(path, tmp_path / f"b{path.suffix}")
