"""Names, scales and offsets of channels, as GDAL and OME write them."""

import numpy as np
import pytest
import tifffile

from normscope.images import tiff_windows
from normscope.images.tiff import decode_tiff
from normscope.statistics.stats import stats

BANDS = np.random.default_rng(0).integers(1, 10_000, (2, 40, 50), np.uint16)


def gdal(path, items, pixels=BANDS, nodata=None, **options):
    """Write what GDAL's GeoTIFF driver writes."""
    lines = [
        f'  <Item name="{role.upper()}" sample="{sample}" role="{role}">{text}</Item>'
        for sample, role, text in items
    ]
    xml = "\n".join(["<GDALMetadata>", '  <Item name="AREA">x</Item>', *lines, "</GDALMetadata>"])
    tags = [(42112, "s", 0, xml, True)]
    tags += [] if nodata is None else [(42113, "s", 0, nodata, True)]
    options = {"photometric": "minisblack", "planarconfig": "separate", **options}
    tifffile.imwrite(path, pixels, extratags=tags, **options)
    return path


def test_descriptions_name_the_channels(tmp_path):
    said = [(0, "description", "B04 red"), (1, "description", "B08 &lt;NIR&gt;")]
    for name in ("a.tif", "b.tif"):
        gdal(tmp_path / name, said)
    found = stats(tmp_path)
    assert found.channel_names == ("B04 red", "B08 <NIR>")
    assert found.to_json()["channel_names"] == ["B04 red", "B08 <NIR>"]
    assert found.scale == 65535
    gdal(tmp_path / "b.tif", said[:1])
    assert stats(tmp_path / "b.tif").channel_names == ("0", "1")
    assert stats(tmp_path).channel_names == ("0", "1")
    assert stats(tmp_path).to_json()["channel_names"] == ["0", "1"]


@pytest.mark.parametrize("whole_bytes", [2**26, 1000])
def test_one_scale_and_offset_are_applied_and_said(tmp_path, monkeypatch, whole_bytes):
    said = [(c, role, t) for c in (0, 1) for role, t in (("scale", "1e-4"), ("offset", "-0.1"))]
    path = gdal(tmp_path / "a.tif", said, nodata="17", tile=(16, 16))
    monkeypatch.setattr(tiff_windows, "WHOLE_BYTES", whole_bytes)
    found = stats(path, scale=1)
    counted = np.where(BANDS == 17, np.nan, BANDS * 1e-4 - 0.1)
    assert found.mean.value == pytest.approx(np.nanmean(counted, axis=(1, 2)), rel=1e-12)
    assert found.std.value == pytest.approx(np.nanstd(counted, axis=(1, 2)), rel=1e-12)
    assert (
        "1 image with the scale 0.0001 and the offset -0.1 in the header, which are applied."
        in found.notes
    )


def test_scales_of_their_own_are_said_and_not_applied(tmp_path):
    path = gdal(tmp_path / "a.tif", [(0, "scale", "0.1"), (1, "scale", "0.2")])
    np.testing.assert_array_equal(decode_tiff(path.read_bytes()).values[0], BANDS)
    assert (
        "1 image whose bands have scales and offsets of their own in the header: none is applied."
        in stats(path).notes
    )
    # A band without one has 1.
    path = gdal(tmp_path / "b.tif", [(1, "scale", "0.2"), (1, "description", "x")])
    assert decode_tiff(path.read_bytes()).values.dtype == np.uint16


@pytest.mark.parametrize(
    "xml",
    [
        "", "<GDALMetadata>", "no XML", "<a/>", '<GDALMetadata><Item role="scale"/></GDALMetadata>',
        '<GDALMetadata><Item role="scale" sample="0">nan</Item></GDALMetadata>',
        '<!DOCTYPE a [<!ENTITY b "c">]><GDALMetadata><Item role="description" sample="0">&b;</Item>'
        "</GDALMetadata>",
    ],
)  # fmt: skip
def test_odd_metadata_changes_nothing(tmp_path, xml):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, BANDS[0], extratags=[(42112, "s", 0, xml, True)])
    found = decode_tiff(path.read_bytes())
    np.testing.assert_array_equal(found.values[0, 0], BANDS[0])
    assert found.names == found.noticed == ()


def test_names_of_ome(tmp_path):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, BANDS, photometric="minisblack", metadata=metadata)
    assert stats(path).channel_names == ("DAPI", "GFP")


def test_names_are_kept_with_finished_shards(tmp_path):
    said = [(0, "description", "a"), (1, "description", "b")]
    (tmp_path / "images").mkdir()
    gdal(tmp_path / "images" / "a.tif", said)
    first = stats(tmp_path / "images", out=tmp_path / "out")
    again = stats(tmp_path / "images", out=tmp_path / "out")
    assert first.channel_names == again.channel_names == ("a", "b")
