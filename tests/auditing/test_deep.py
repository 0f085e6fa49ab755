"""Audits of images of more than 8 bits, against a slow second way."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import tifffile
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from normscope.cli.app import run
from normscope.errors import NormscopeError
from normscope.normalization import Normalization

from . import networks
from .by_hand import MEAN, STD
from .test_audit import HERE, audited

MOST = 4095


@pytest.fixture(scope="module")
def deep(photos, tmp_path_factory):
    """The photographs as 12 bits in files of 16, whose low bits are not empty."""
    root, rng = tmp_path_factory.mktemp("deep"), np.random.default_rng(2)
    for path in sorted((photos / "val").glob("*/*.png")):
        wide = cv2.imread(str(path)).astype(np.uint16) * 16
        folder = root / "val" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / path.name), wide + rng.integers(0, 16, wide.shape, np.uint16))
    return root


def sized(values, interpolation=InterpolationMode.BILINEAR, antialias=True):
    """A float image in [0, 1], (H, W, 3), as the network is given it before it is normalized."""
    tensor = torch.tensor(values.transpose(2, 0, 1).copy()).float()
    tensor = functional.resize(tensor, [40], interpolation, antialias=antialias)
    return functional.center_crop(tensor, [32]).numpy().transpose(1, 2, 0)


def read(path, how=cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION):
    return cv2.imread(str(path), how)[..., ::-1].astype(np.float64)


BY_HAND = {
    "reference": lambda path: (sized(read(path) / MOST) - MEAN) / STD,
    "none": lambda path: sized(read(path) / MOST),
    "undivided": lambda path: (sized(read(path)) - MEAN) / STD,
    "by-255": lambda path: (sized(read(path) / 255) - MEAN) / STD,
    "by-type": lambda path: (sized(read(path) / 65535) - MEAN) / STD,
    "divided-twice": lambda path: (sized(read(path) / MOST / MOST) - MEAN) / STD,
    "bgr-pixels": lambda path: (sized(read(path) / MOST)[..., ::-1] - MEAN) / STD,
    "nearest": lambda path: (
        (sized(read(path) / MOST, InterpolationMode.NEAREST) - MEAN) / STD
    ),
    "no-antialias": lambda path: (sized(read(path) / MOST, antialias=False) - MEAN) / STD,
    "high-byte": lambda path: (
        (sized(read(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) / 255) - MEAN) / STD
    ),
    "clipped": lambda path: (sized(np.minimum(read(path), 255) / 255) - MEAN) / STD,
}  # fmt: skip


def test_every_price_is_the_one_found_by_hand(deep):
    found = audited(deep, scale=MOST)
    paths = sorted((deep / "val").glob("*/*.png"))
    labels = np.array([int(path.parent.name[-1]) for path in paths])
    model = networks.small().eval()
    answers = {}
    for name, prepared in BY_HAND.items():
        inputs = torch.tensor(np.stack([prepared(path).transpose(2, 0, 1) for path in paths]))
        with torch.no_grad():
            answers[name] = model(inputs.float().contiguous()).argmax(1).numpy()
    right = answers.pop("reference")
    assert found.reference.accuracy == pytest.approx((right == labels).mean())
    assert found.reference.accuracy > 0.5
    costs = {mistake.name: mistake.cost for mistake in found.priced}
    for name, given in answers.items():
        assert costs[name].accuracy == pytest.approx((given == labels).mean()), name
        assert costs[name].disagreement == pytest.approx((given != right).mean()), name
    reasons = {mistake.name: mistake.reason for mistake in found.mistakes if mistake.reason}
    assert reasons["jpeg-75"] == "a JPEG has 8 bits"
    assert "0..255" not in {mistake.name for mistake in found.mistakes}
    assert found.preparation.endswith("divided by 4095")
    assert (
        "The images have more than 8 bits. Prepared correctly means: shorter side 40, centre crop "
        "32, divided by 4095; scale says what to divide by."
    ) in found.sentences
    assert found.sentences[0].endswith("; look for it in your pipeline.")


def test_eight_bits_are_as_before_and_deeper_ones_among_them_are_skipped(deep, photos, tmp_path):
    for source in (photos / "val" / "class0" / "0.png", deep / "val" / "class0" / "1.png"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    found = audited(tmp_path)
    assert found.images == 1
    assert found.skipped[0].reason == "not an image of 8 bits a channel (uint16)"
    assert not {"high-byte", "clipped", "undivided"} & {m.name for m in found.mistakes}


@pytest.mark.parametrize("options", [{}, {"pipeline": f"{HERE}:right"}])
def test_a_stray_deep_image_that_comes_first_is_skipped(deep, photos, tmp_path, options):
    for path in (photos / "val" / "class0").glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    alone = audited(tmp_path, **options)
    stray = next((deep / "val" / "class0").glob("*.png"))
    (tmp_path / "!.png").write_bytes(stray.read_bytes())
    found = audited(tmp_path, **options)
    assert [image.path.name for image in found.skipped] == ["!.png"]
    assert found.mistakes == alone.mistakes


def test_bytes_among_deep_images_have_no_price_of_theirs(deep, photos, tmp_path):
    for path in (deep / "val" / "class0").glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    alone = audited(tmp_path, scale=MOST)
    stray = next((photos / "val" / "class0").glob("*.png"))
    (tmp_path / "!.png").write_bytes(stray.read_bytes())
    found = audited(tmp_path, scale=MOST)
    assert found.skipped[0].reason == "pixels of uint8, where most images have uint16"
    assert found.mistakes == alone.mistakes


def test_integers_below_0_need_a_scale(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(2):
        hounsfield = rng.normal(0, 300, (32, 32)).clip(-1000, 2000).astype(np.int16)
        hounsfield[0, :2] = -1000, 2000
        tifffile.imwrite(tmp_path / f"{i}.tif", hounsfield)
    unit = {"norm": "40/400", "resize": None, "crop": None, "channels": "grey"}
    with pytest.raises(NormscopeError) as met:
        audited(tmp_path, "grey", **unit)
    assert str(met.value) == (
        f"integer pixels must be from 0 up unless scale is given, got -1000 to 2000 in {tmp_path}"
        ": a unit of their own (HU, heights) or values for no data. Pass scale=1 if the "
        "constants are in that unit, or what the network's pipeline divides by."
    )
    assert audited(tmp_path, "grey", **unit, scale=1).images == 2


def test_values_in_a_unit_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        hounsfield = rng.normal(rng.normal(0, 300), 200, (32, 32)).astype(np.float32)
        tifffile.imwrite(tmp_path / f"{i}.tif", hounsfield)
    unit = {"norm": "-100/400", "resize": None, "crop": None, "channels": "grey"}
    with pytest.raises(NormscopeError) as met:
        audited(tmp_path, "grey", **unit)
    assert "float pixels must lie in [0, 1] unless scale is given, got " in str(met.value)
    found = audited(tmp_path, "grey", **unit, scale=1)
    model = networks.grey().eval()
    pixels = np.stack([tifffile.imread(path) for path in sorted(tmp_path.glob("*.tif"))])
    with torch.no_grad():
        right, none = (
            model(torch.tensor(values)[:, None].float()).argmax(1).numpy()
            for values in ((pixels + 100) / 400, pixels)
        )
    cost = next(mistake.cost for mistake in found.priced if mistake.name == "none")
    assert cost.disagreement == pytest.approx((right != none).mean())
    assert audited(tmp_path, "grey", **{**unit, "norm": "100/400"}, scale=1).images == 12
    same = {m.name for m in found.mistakes if m.reason == "it is the same as the reference here"}
    assert {"undivided", "divided-twice"} <= same


def test_many_channels(tmp_path, capfd):
    rng = np.random.default_rng(0)
    for i in range(6):
        bands = rng.integers(0, 10_000, (32, 32, 5), np.uint16)
        tifffile.imwrite(tmp_path / f"{i}.tif", bands, photometric="minisblack", planarconfig=1)
    norm = Normalization((0.3, 0.4, 0.5, 0.4, 0.3), 0.25)
    found = audited(tmp_path, "five_bands", norm=norm, resize=None, crop=None, scale=10_000)
    assert found.images == 6
    model = networks.five_bands().eval()
    bands = np.stack([tifffile.imread(path) for path in sorted(tmp_path.glob("*.tif"))])
    values = torch.tensor(bands.transpose(0, 3, 1, 2) / 10_000).float()
    mean = torch.tensor(norm.mean).float()[:, None, None]
    with torch.no_grad():
        right, none = (model(given).argmax(1).numpy() for given in ((values - mean) / 0.25, values))
    cost = next(mistake.cost for mistake in found.priced if mistake.name == "none")
    assert cost.disagreement == pytest.approx((right != none).mean())
    assert capfd.readouterr().err == ""  # Pillow speaks of channels that it cannot read


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"pipeline": f"{HERE}:right"},
            "pipeline must be used with images of 8 bits, as Pillow hands them over, got "
            "{images} of uint16. Leave it out.",
        ),
        ({"scale": 0}, "scale must be from 1e-100 to 1e+100, got 0."),
    ],
)
def test_what_cannot_be_done_with_deep_images(deep, options, said):
    with pytest.raises(NormscopeError) as met:
        audited(deep, **options)
    assert str(met.value).startswith(said.format(images=deep))


def test_a_scale_of_bytes(photos):
    with pytest.raises(NormscopeError) as met:
        audited(photos, scale=1)
    assert str(met.value) == "scale must be 255 for images of 8 bits, got 1. Leave it out."
    assert audited(photos, scale=255).preparation == audited(photos).preparation


def test_wide_pixels_that_are_divided_by_255_say_so(deep):
    assert audited(deep, scale=255).preparation.endswith(", divided by 255")


def test_the_page_says_what_pixels_are_divided_by(deep, tmp_path):
    call = [
        "audit", f"{HERE}:small", "--norm=imagenet", f"--images={deep}", "--resize=40",
        "--crop=32", "--scale=4095", f"--out={tmp_path / 'out'}", f"--json={tmp_path / 'a.json'}",
    ]  # fmt: skip
    assert run(call) == 0
    assert "divided by 4095" in (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "a.json").read_text())["options"]["scale"] == 4095


def test_integers_that_use_little_of_their_type_are_said_where_that_divides_them(deep):
    top = max(int(sized(read(path)).max().round()) for path in (deep / "val").glob("*/*.png"))
    said = (
        f"The 16-bit pixels reach only {top} of 65535: divided by 65535 the images are almost "
        "black. Pass scale with what your model divides by, such as 4095, all of 12 bits."
    )
    assert said in audited(deep).sentences
    assert not any("almost black" in each for each in audited(deep, scale=MOST).sentences)
