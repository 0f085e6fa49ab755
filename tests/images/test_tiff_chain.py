"""TIFFs whose last page does not say that it is the last, beside those that were cut."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from normscope import stats
from normscope.errors import NormscopeError
from normscope.images import tiff_windows
from normscope.images.decode import decode_for_networks
from normscope.images.tiff_chain import LEADS_NOWHERE
from tests.images.exactness import exact

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 40, 50), np.uint8)


def _tiff(pages, **options):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for page in PIXELS[:pages]:
            writer.write(page, contiguous=False, metadata=None)
    return file.getvalue()


def _led_to(data, offset):
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        place, kind = file.pages.next_page_offset, file.tiff
    changed = bytearray(data)
    struct.pack_into(kind.offsetformat, changed, place, offset)
    return bytes(changed)


def _ends_with_its_tags():
    """As libtiff writes it: pixels first. The four bytes behind the tags are missing."""
    pixels = PIXELS[0].tobytes()
    tags = ((256, 50), (257, 40), (258, 8), (259, 1), (262, 1), (273, 8), (278, 40), (279, 2000))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8 + 2000) + pixels + struct.pack("<H", 8) + entries


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_pages_before_a_wrong_pointer_count(tmp_path, monkeypatch, pages, options, windows):
    if windows:
        monkeypatch.setattr(tiff_windows, "WHOLE_BYTES", 0)
    data, path = _tiff(pages, **options), tmp_path / "a.tif"
    # Behind the end, at its last byte, among the pixels, in the header, at a few bytes of tags.
    for offset in (0x20202020, len(data) + 99, len(data) - 1, len(data) // 2, 1, 72, 300):
        path.write_bytes(_led_to(data, offset))
        found = stats(path)
        exact(found, PIXELS[:pages].reshape(1, 1, -1, 50), 1)
        assert f"1 image {LEADS_NOWHERE}." in found.notes, offset
        if pages == 1:
            np.testing.assert_array_equal(
                decode_for_networks(path.read_bytes()).values[0, 0], PIXELS[0]
            )


@pytest.mark.parametrize("behind", [b"", b"\0\0", b"\xcd\xcd\xcd\xcd"])
def test_a_file_that_ends_with_its_tags_counts(tmp_path, behind):
    path = tmp_path / "a.tif"
    path.write_bytes(_ends_with_its_tags() + behind)
    found = stats(path)
    exact(found, PIXELS[:1, None], 1)
    assert f"1 image {LEADS_NOWHERE}." in found.notes
    np.testing.assert_array_equal(decode_for_networks(path.read_bytes()).values[0, 0], PIXELS[0])


def test_a_palette_with_a_wrong_pointer_is_said_too(tmp_path):
    file, path = io.BytesIO(), tmp_path / "a.tif"
    image = Image.fromarray(PIXELS[0]).convert("P")
    image.save(file, "TIFF")
    path.write_bytes(_led_to(file.getvalue(), 0x20202020))
    found = stats(path)
    exact(found, np.asarray(image.convert("RGB")).transpose(2, 0, 1)[None], 1)
    assert f"1 image {LEADS_NOWHERE}." in found.notes


@pytest.mark.parametrize("order", ["tags first", "pixels first"])
def test_pages_that_were_cut_off_are_refused(tmp_path, order):
    path = tmp_path / "a.tif"
    if order == "tags first":
        data = _tiff(3)
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            second = file.pages[1].offset
        cuts = [second, second + 1, second + 40]
    else:
        one = _ends_with_its_tags()
        # A second page, whose pixels lie before its tags.
        data = one + struct.pack("<I", len(one) + 4 + 2000) + bytes(range(1, 101)) * 20
        cuts = [len(one) + 4 + 2, len(data) - 1, len(data)]
    for cut in cuts:
        path.write_bytes(data[:cut])
        with pytest.raises(NormscopeError) as error:
            stats(path)
        assert "a TIFF that is cut: its page 1 lies behind its end" in str(error.value), cut
