"""Images beyond 8 bits are trained on: the same numbers as a slow, obvious way gives."""

import shutil

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from normscope import scan, search, stats, train
from normscope.cli.output import note_source
from normscope.errors import NormscopeError
from normscope.images.decode import decode_8_bits, decode_for_networks
from normscope.images.folder import open_folder
from normscope.images.originals import find_originals, some_pixels
from normscope.images.pixels import UnreadableImage
from normscope.images.resizing import resized
from normscope.images.tensors import on_device
from normscope.images.transform import ImageTransform
from normscope.trials.preparation import prepare_source
from normscope.trials.recipe import LENET_ARTICLE

pytestmark = pytest.mark.filterwarnings("ignore:.*pixels reach only")

SHAPE = (12, 12)


def fill(root, write, suffix, count=6):
    """train/ and test/ of two classes; ``write(path, rng, label)`` makes an image."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label, name in enumerate("ab"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                write(root / split / name / f"{number}{suffix}", rng, label)
    return root


def grey(rng, label):
    return rng.integers(0, 128, SHAPE, np.uint8) + np.uint8(100 * label)


@pytest.fixture
def pairs(tmp_path):
    """The same images with 8 bits, and with 16 bits and every value times 257."""

    def write(path, rng, label):
        pixels = grey(rng, label)
        Image.fromarray(pixels).save(path)
        deep = tmp_path / "deep" / path.relative_to(tmp_path / "bytes")
        deep.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint16) * 257).save(deep)

    fill(tmp_path / "bytes", write, ".png", 40)
    return tmp_path / "bytes", tmp_path / "deep"


@pytest.mark.parametrize("resize", [None, "10x9"])
def test_sixteen_bits_give_what_eight_give(pairs, resize):
    said = {"recipe": "lenet-article", "epochs": 1, "trainer": "plain", "precision": "fp32"}
    eight, sixteen = (train(str(folder), resize=resize, **said) for folder in pairs)
    close = pytest.approx if resize else lambda value, **_: value
    tolerance = {"rel": 1e-2}  # bytes are rounded once resized, to a coarser grid
    assert sixteen.spec.normalization.mean == close(eight.spec.normalization.mean, **tolerance)
    assert sixteen.spec.normalization.std == close(eight.spec.normalization.std, **tolerance)
    first, other = eight.result.history[0], sixteen.result.history[0]
    assert other["train_loss"] == pytest.approx(first["train_loss"], rel=1e-2 if resize else 1e-6)
    assert sixteen.spec.images.scale is None


def test_the_fast_trainer_and_searches_take_them(pairs, tmp_path):
    deep = str(pairs[1])
    trial = train(deep, epochs=2)
    assert trial.spec.trainer == "fast"
    assert np.isfinite(trial.result.loss)
    plain = train(deep, epochs=2, trainer="plain")
    assert trial.result.loss == pytest.approx(plain.result.loss, abs=0.3)
    said = {"epochs": 1, "workers": 1, "threads": 1}
    found = scan(deep, mean="0.4", std="0.2,0.3", seeds=1, out=tmp_path / "scan", **said)
    assert {t.spec.normalization.std for t in found.trials()} >= {(0.2,), (0.3,)}
    over = ["mean=0.1:0.9"]
    found = search(deep, over=over, trials=2, replicates=0, out=tmp_path / "search", **said)
    assert len(found.trials()) == 2


def test_augmented_trainings_take_them(pairs):
    said = {"model": "resnet20", "epochs": 1, "recipe": "resnet-scratch", "batchnorm": False}
    results = [train(str(folder), **said, precision="fp32").result for folder in pairs]
    assert results[1].history[0]["train_loss"] == pytest.approx(
        results[0].history[0]["train_loss"], rel=1e-4
    )


def test_statistics_are_those_of_stats_for_every_kind(tmp_path):
    def float_tiff(path, rng, _):
        tifffile.imwrite(path, rng.random((4, *SHAPE), np.float32), photometric="minisblack",
                         planarconfig="separate")  # fmt: skip

    def signed(path, rng, _):
        np.save(path, rng.integers(-500, 30_000, (3, 2, *SHAPE)).astype(np.int16))

    def float64(path, rng, _):
        np.save(path, rng.random((1, 1, *SHAPE)))

    def wide(path, rng, _):
        np.save(path, rng.integers(0, 2**31, (1, 1, *SHAPE), np.int32))

    def volume(path, rng, _):
        pixels = rng.integers(-100, 1000, (*SHAPE, 4)).astype(np.int16)
        nibabel.Nifti1Image(pixels, np.eye(4)).to_filename(path)

    def dicom(path, rng, _):
        write_dicom(path, rng.integers(0, 4096, SHAPE, np.uint16))

    kinds = (
        (float_tiff, ".tif", 1, 4, None), (signed, ".npy", 3, 2, 1), (float64, ".npy", 1, 1, None),
        (wide, ".npy", 1, 1, None), (volume, ".nii.gz", 4, 1, 1), (dicom, ".dcm", 1, 1, None),
    )  # fmt: skip
    for index, (write, suffix, frames, channels, scale) in enumerate(kinds):
        root = fill(tmp_path / str(index), write, suffix, 3)
        found = stats(root / "train", scale=scale)
        prepared = prepare_source(str(root), None, LENET_ARTICLE, None, ImageTransform(scale=scale))
        assert prepared.source.train.shape == (6 * frames, channels, *SHAPE)
        assert prepared.source.scale == found.scale
        assert prepared.data.mean == found.mean.value
        assert prepared.data.std == found.std.value
        trial = train(str(root), epochs=1, recipe="lenet-article", scale=scale)
        assert np.isfinite(trial.result.loss), write


def hounsfield(dtype):
    def write(path, rng, _):
        np.save(path, rng.integers(-1000, 30_000, (1, 1, *SHAPE)).astype(dtype))

    return write


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("run", [train, scan, search])
def test_integers_below_zero_need_a_scale(tmp_path, dtype, run):
    root = fill(tmp_path / "slices", hounsfield(dtype), ".npy")
    more = {train: {}, scan: {"mean": "0", "std": "1"}, search: {"over": ["mean=0:1"]}}[run]
    with pytest.raises(NormscopeError) as error:
        run(str(root), epochs=1, **more)
    source = open_folder(root, ImageTransform(scale=1))
    shown = np.concatenate([source.train.pixels, source.test.pixels])
    assert str(error.value) == (
        f"integer pixels must be from 0 up unless scale is given, got {shown.min():.6g} to "
        f"{shown.max():.6g} in {root}: a unit of their own (HU, heights) or values for no data. "
        "Pass scale=1 if the constants are in that unit, or what the network's pipeline divides "
        "by."
    )
    assert source.scale == 1.0


def write_dicom(path, pixels):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelData = pixels.tobytes()
    file.save_as(path, enforce_file_format=True)


def test_a_scale_is_kept_and_divides(pairs):
    trial = train(str(pairs[1]), epochs=1, scale=4095)
    assert trial.spec.images == ImageTransform(scale=4095)
    whole = train(str(pairs[1]), epochs=1).spec.normalization
    ratio = np.array(trial.spec.normalization.mean) / whole.mean
    assert ratio == pytest.approx(65535 / 4095, rel=1e-12)
    digits = train("digits", epochs=1, scale=8, train_images=100)
    assert digits.spec.normalization.mean[0] > 0.5
    with pytest.raises(NormscopeError) as error:
        train("digits", scale=0)
    assert str(error.value) == (
        "scale must be from 1e-100 to 1e+100, got 0. Give what brings pixels to [0, 1]."
    )


def test_floats_beyond_one_need_a_scale(tmp_path):
    def write(path, rng, _):
        np.save(path, (rng.random((1, 1, *SHAPE)) * 3 - 1).astype(np.float32))

    root = fill(tmp_path / "floats", write, ".npy")
    with pytest.raises(NormscopeError) as error:
        train(str(root), epochs=1)
    source = open_folder(root, ImageTransform(scale=1))
    low, high = source.train.pixels.min(), source.train.pixels.max()
    low, high = min(low, source.test.pixels.min()), max(high, source.test.pixels.max())
    assert str(error.value) == (
        f"float pixels must lie in [0, 1] unless scale is given, got {low:.6g} to {high:.6g} in "
        f"{root}. Pass scale=1 to keep them as they are, or their maximum."
    )
    assert source.scale == 1.0


def test_what_is_no_number_is_skipped(tmp_path):
    def write(path, rng, _):
        np.save(path, rng.random((1, 1, *SHAPE)))

    root = fill(tmp_path / "floats", write, ".npy")
    path = root / "train" / "a" / "0.npy"
    np.save(path, np.full((1, 1, *SHAPE), np.nan))
    assert [(s.path, s.reason) for s in open_folder(root).skipped] == [
        (path, "pixels that are infinite or not a number, of which a network learns nothing")
    ]


def test_mixed_depths_are_refused(pairs):
    shutil.copy(pairs[1] / "train" / "a" / "0.png", pairs[0] / "train" / "a" / "0.png")
    with pytest.raises(NormscopeError) as error:
        train(str(pairs[0]), epochs=1)
    assert str(error.value) == (
        f"the images of {pairs[0]} must share one type of pixels, got 2: uint8 (159 images), "
        "uint16 (1 image). Convert them to one depth, or sort them."
    )


def test_mixed_numbers_of_channels_are_refused(tmp_path):
    def write(path, rng, label):
        np.save(path, rng.random((1, 4 + label, *SHAPE)))

    root = fill(tmp_path / "bands", write, ".npy")
    with pytest.raises(NormscopeError) as error:
        train(str(root), epochs=1)
    assert str(error.value) == (
        f"the images of {root} must share one number of channels, got 2: 4 (12 images), 5 (12 "
        "images). Sort them, or pass channels."
    )


def test_deep_colour_images_in_grey_and_resized(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 2**16, (20, 30, 3), np.uint16)

    def write(path, *_):
        tifffile.imwrite(path, pixels, photometric="rgb")

    root = fill(tmp_path / "tiffs", write, ".tif", 1)
    source = open_folder(root)
    np.testing.assert_array_equal(source.train.pixels[0], pixels.transpose(2, 0, 1))
    small = open_folder(root, ImageTransform(resize=10, channels="grey")).train.pixels[0]
    luma = (pixels @ np.array([0.299, 0.587, 0.114])).round()
    again, _ = resized(luma[None, None].astype(np.uint16), None, 10, None)
    assert small.dtype == np.uint16
    np.testing.assert_allclose(small, again[0], atol=1)


def test_readers_of_bytes_say_what_they_cannot_take(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "0.tif"
    tifffile.imwrite(path, rng.integers(0, 2**16, (20, 30, 3), np.uint16), photometric="rgb")
    with pytest.raises(NormscopeError) as error:
        some_pixels(find_originals(tmp_path / "photos"), 1)
    assert str(error.value) == (
        f"{tmp_path / 'photos'} must hold at least one image that can be used, got 1 that "
        f"cannot, such as {path}: not an image of 8 bits a channel (uint16). Save them with 8 bits "
        "a channel, scaled as for the network's training."
    )
    np.save(tmp_path / "several.npy", np.zeros((3, 1, 4, 4), np.uint8))
    with pytest.raises(
        UnreadableImage, match="^3 images in one file, an array whose axes are read as NCHW$"
    ):
        decode_8_bits((tmp_path / "several.npy").read_bytes())
    np.save(tmp_path / "guessed.npy", np.zeros((10, 20, 20), np.uint8))
    said = "^10 images in one file, an array whose axes are read as NHW$"
    with pytest.raises(UnreadableImage, match=said):
        decode_8_bits((tmp_path / "guessed.npy").read_bytes())


def test_what_arrays_of_several_images_are_taken_for_is_said(tmp_path, capsys):
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(5):
            np.save(tmp_path / label / f"{i}.npy", np.zeros((10, 20, 20), np.uint8))
    source = open_folder(tmp_path)
    assert source.noticed == ("100 images of arrays whose axes are read as NHW.",)
    assert open_folder(tmp_path).noticed == source.noticed
    note_source(source)
    assert source.noticed[0] in capsys.readouterr().err


def test_pages_and_pixels_without_a_value_are_refused(tmp_path):
    def pages(path, rng, _):
        tifffile.imwrite(
            path, rng.integers(0, 2**16, (3, *SHAPE), np.uint16), photometric="minisblack"
        )

    def pages_of_bytes(path, rng, _):
        tifffile.imwrite(
            path, rng.integers(0, 2**8, (3, *SHAPE), np.uint8), photometric="minisblack"
        )

    def nodata(path, rng, label):
        pixels = rng.random(SHAPE, np.float32)
        pixels[0, 0] = -1
        tifffile.imwrite(path, pixels, extratags=[(42113, "s", 0, "-1", True)])

    for write, reason in (
        (pages, "a TIFF of several pages, of which a network is shown one"),
        (pages_of_bytes, "a TIFF of several pages, of which a network is shown one"),
        (nodata, "float32 pixels that do not count (nodata), which a network would be shown"),
    ):
        root = fill(tmp_path / write.__name__, write, ".tif", 1)
        with pytest.raises(NormscopeError) as error:
            open_folder(root)
        assert str(error.value) == (
            f"{root / 'train' / 'a'} must hold at least one image that can be used, got none: "
            f"0.tif: {reason}. Mend or remove the class, or change --resize and --crop."
        )


def test_smaller_copies_and_masks_are_no_pages(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    for name, page, options in (
        ("smaller", pixels[::2, ::2], {"subfiletype": 1}),
        ("mask", pixels > 99, {"subfiletype": 4, "photometric": "mask"}),
        ("other", pixels[:4], {}),
    ):
        path = tmp_path / f"{name}.tif"
        with tifffile.TiffWriter(path) as file:
            file.write(pixels, contiguous=False, metadata=None)
            file.write(page, contiguous=False, metadata=None, **options)
        np.testing.assert_array_equal(decode_for_networks(path.read_bytes()).values[0, 0], pixels)


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_pages_of_bytes_that_were_cut_are_no_first_page(tmp_path, cut):
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as file:
        for page in np.random.default_rng(0).integers(0, 256, (3, *SHAPE), np.uint8):
            file.write(page, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as file:
        second = file.pages[1].offset
    with pytest.raises(UnreadableImage, match="a TIFF that is cut: its page 1 lies behind its end"):
        decode_for_networks(path.read_bytes()[: second + cut])


def test_mapped_pixels_are_as_written(pairs):
    source = open_folder(pairs[1])
    pixels = np.asarray(Image.open(pairs[1] / "train" / "b" / "7.png"))
    at = 40 + sorted(f"{n}.png" for n in range(40)).index("7.png")
    np.testing.assert_array_equal(source.train.pixels[at, 0], pixels)
    assert source.train.held.flags.aligned
    assert torch.from_numpy(np.array(source.train.pixels)).dtype == torch.uint16
    counted = source.train.stored.histogram
    np.testing.assert_array_equal(counted[0], np.bincount(source.train.pixels.ravel(), None, 65536))


def test_other_devices_get_floats_of_what_they_have_no_operations_for():
    pixels, meta = np.zeros((2, 1, 3, 3)), torch.device("meta")
    assert on_device(pixels.astype(np.uint16), meta).dtype == torch.float32
    assert on_device(pixels.astype(np.uint8), meta).dtype == torch.uint8
    assert on_device(pixels, torch.device("cpu")).dtype == torch.float64


def test_scales_in_tiffs_of_bytes_reach_networks(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    xml = '<GDALMetadata><Item name="SCALE" sample="0" role="scale">0.001</Item></GDALMetadata>'
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(42112, "s", 0, xml, True)])
    data = (tmp_path / "a.tif").read_bytes()
    np.testing.assert_array_equal(decode_for_networks(data).values[0, 0], pixels * 0.001)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    data = (tmp_path / "a.tif").read_bytes()
    np.testing.assert_array_equal(decode_for_networks(data).values[0, 0], pixels)
