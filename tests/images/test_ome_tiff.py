"""OME-TIFF and ImageJ hyperstacks that tifffile writes, against NumPy over the same arrays."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from normscope import stats
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
