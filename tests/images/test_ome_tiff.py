"""OME-TIFF and ImageJ hyperstacks that tifffile writes, against NumPy over the same arrays."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from normscope import stats
from normscope.errors import NormscopeError
from normscope.images import tiff_windows
from normscope.images.tiff import ELSEWHERE
from tests.images.damaged import survives
from tests.images.exactness import exact

RANDOM = np.random.default_rng(0)
NAMES = ["DAPI", "GFP", "Cy5"]


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("CYX", (3, 16, 12)),
        ("ZCYX", (4, 3, 16, 12)),
        ("TCZYX", (2, 3, 4, 16, 12)),
        ("CTYX", (3, 2, 16, 12)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_channel_axis_of_ome_is_channels_with_their_names(tmp_path, axes, shape, dtype):
    array = RANDOM.integers(0, 255, shape).astype(dtype)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, metadata={"axes": axes, "Channel": {"Name": NAMES}})
    found = stats(path)
    assert (found.images, found.channels) == (1, 3)
    exact(found, array, axes.index("C"))
    assert found.channel_names == ("DAPI", "GFP", "Cy5")
    several = "1 image with several pages of one kind: all of them count." in found.notes
    assert several


def test_samples_of_channels_are_channels_each(tmp_path):
    array = RANDOM.integers(0, 255, (2, 4, 16, 12, 3), dtype=np.uint8)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, photometric="rgb", metadata={"axes": "CZYXS"})
    found = stats(path)
    assert found.channels == 6
    exact(found, array.transpose(1, 2, 3, 0, 4).reshape(-1, 6), 1)
    assert found.channel_names == tuple("012345")


def test_the_channels_of_imagej(tmp_path):
    array = RANDOM.integers(0, 255, (5, 2, 16, 12)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZCYX"})
    exact(stats(tmp_path / "a.tif"), array, 1)


def test_one_channel_and_broken_names(tmp_path):
    path = tmp_path / "a.ome.tif"
    array = RANDOM.integers(0, 255, (4, 16, 12), dtype=np.uint8)
    tifffile.imwrite(path, array, metadata={"axes": "ZYX", "Channel": {"Name": "DAPI"}})
    assert stats(path).channel_names == ("DAPI",)
    path.write_bytes(path.read_bytes().replace(b"</OME>", b"</OMF>"))
    exact(stats(path), array[:, None], 1)


def test_damage_leads_to_no_other_exception(tmp_path):
    array = RANDOM.integers(0, 255, (2, 3, 6, 5), dtype=np.uint8)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, metadata={"axes": "ZCYX", "Channel": {"Name": NAMES}})
    assert sum(survives(path, rounds=60)) == 60


def _set_of_files(folder, planes, split):
    """One image of T x C planes in two files, as Micro-Manager has it; each file says all."""
    times, channels = planes.shape[:2]
    files = [[place for place in np.ndindex(times, channels) if split(place) == k] for k in (0, 1)]
    data = "".join(
        f'<TiffData IFD="{ifd}" FirstT="{time}" FirstC="{channel}" FirstZ="0" PlaneCount="1">'
        f'<UUID FileName="{k}.ome.tif">urn:uuid:{k}</UUID></TiffData>'
        for k, places in enumerate(files)
        for ifd, (time, channel) in enumerate(places)
    )
    names = "".join(f'<Channel ID="C:{k}" Name="dye {k}"/>' for k in range(channels))
    for k, places in enumerate(files):
        said = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{k}"><Image ID="I:0"><Pixels ID="P:0" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="24" SizeY="20" SizeZ="1" SizeC="{channels}" SizeT="{times}">'
            f"{names}{data}</Pixels></Image></OME>"
        )
        with tifffile.TiffWriter(folder / f"{k}.ome.tif") as file:
            for number, place in enumerate(places):
                description = said if number == 0 else None
                file.write(planes[place], description=description, metadata=None, contiguous=False)


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize(
    ("split", "channels"),
    [(lambda at: at[0] // 2, 2), (lambda at: at[1], 1), (lambda at: sum(at) % 2, 1)],
    ids=["by time", "by channel", "at odds"],
)  # fmt: skip
def test_of_an_image_in_several_files_each_has_its_own_pages(
    tmp_path, monkeypatch, split, channels, windows
):
    if windows:
        monkeypatch.setattr(tiff_windows, "WHOLE_BYTES", 0)
    planes = np.random.default_rng(0).integers(100, 999, (3, 2, 20, 24), np.uint16)
    _set_of_files(tmp_path, planes, split)
    for k in (0, 1):
        mine = [planes[place] for place in np.ndindex(3, 2) if split(place) == k]
        found = stats(tmp_path / f"{k}.ome.tif")
        exact(found, np.stack(mine).reshape(-1, channels, 20, 24), 1)
        assert f"1 image {ELSEWHERE}." in found.notes
        assert found.channel_names == (("dye 0", "dye 1") if channels == 2 else ("grey",))
    together = stats(tmp_path)
    exact(together, planes if channels == 2 else planes.reshape(6, 1, 20, 24), 1)


def test_images_that_imagej_promises_and_that_are_not_there_are_said(tmp_path):
    path, planes = tmp_path / "a.tif", RANDOM.integers(0, 999, (4, 20, 24)).astype(np.uint16)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "TYX"}, truncate=True)
    whole = path.read_bytes()
    assert stats(path).pixels == planes.size
    assert not any("missing" in note for note in stats(path).notes)
    path.write_bytes(whole[: -2 * planes[0].nbytes])
    found = stats(path)
    exact(found, planes[:1, None], 1)
    assert f"1 image {ELSEWHERE}." in found.notes


PLAIN_OME = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels '
    'DimensionOrder="XYZCT" SizeX="12" SizeY="16" SizeZ="{}" SizeC="1" SizeT="1" Type="uint8">'
    "{}</Pixels></Image></OME>"
)


@pytest.mark.parametrize(
    ("planes", "data"),
    [
        (30_000_000, '<TiffData IFD="0"/>'),
        (2, '<TiffData IFD="0" PlaneCount="30000000"/>'),
        (2, '<TiffData NumPlanes="30000000"/>'),
    ],
)
def test_more_planes_than_could_be_listed_are_refused(tmp_path, planes, data):
    """tifffile would make a list of them, by a few bytes of XML."""
    path = tmp_path / "a.ome.tif"
    description = '<?xml version="1.0"?>' + PLAIN_OME.format(planes, data)
    array = RANDOM.integers(0, 255, (16, 12), dtype=np.uint8)
    tifffile.imwrite(path, array, description=description, metadata=None)
    with pytest.raises(NormscopeError, match="its OME-XML promises 3000000[0-9] planes, more than"):
        stats(path)


def test_entities_in_ome_are_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    xml = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "30000000">]>'
    description = xml + PLAIN_OME.format("&b;", '<TiffData IFD="0"/>')
    tifffile.imwrite(path, np.zeros((16, 12), np.uint8), description=description, metadata=None)
    with pytest.raises(NormscopeError, match="OME-XML that declares entities"):
        stats(path)


def test_whatever_tifffile_raises_is_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((16, 12), np.uint8))

    def broken(*_, **__):
        raise AssertionError

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", broken)
    with pytest.raises(NormscopeError, match="not a readable TIFF: AssertionError"):
        stats(path)
