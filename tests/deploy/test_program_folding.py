"""Folding ``.pt2`` and TorchScript files, against normalizing first and the network itself."""

from __future__ import annotations

import zipfile

import pytest
import torch
from torch import nn
from torch.nn import functional

from normscope import NormscopeError
from normscope.cli.app import run
from normscope.models.files.torchscript import read_torchscript
from tests.deploy.programs import (
    NETWORKS,
    NORMS,
    ChannelsLast,
    assert_same,
    file,
    folded,
    made,
    norm,
    normalized,
    pixels,
    rest,
    write,
)  # fmt: skip

SOME_EXPORTED = ["plain", "padded before", "patches", "batch norm"]  # each takes seconds


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, kind) for name in NETWORKS for kind in ("traced", "frozen")),
        *((name, "pt2") for name in SOME_EXPORTED),
    ],
)
def test_raw_pixels_give_what_normalized_ones_gave(tmp_path, name, kind):
    network = made(name)
    source = write(network, kind, file(tmp_path, kind))
    shipped, run = folded(source)
    raw = pixels()
    with torch.no_grad():
        assert_same(run(raw), network(normalized(raw)))
    assert shipped.differences.first_layer < 1e-5
    subtracts = {"no bias", "padded", "same", "padded before", "grouped"}
    assert (shipped.folded.subtracted is not None) == (name in subtracts)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, shipped.out.name])


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("kind", ["pt2", "scripted"])
def test_other_numbers_of_channels(tmp_path, kind, channels):
    network = made("padded", channels)
    images = torch.zeros(2, channels, 16, 16)
    source = write(network, kind, file(tmp_path, kind), images)
    run = folded(source, channels)[1]
    raw = pixels(channels=channels)
    with torch.no_grad():
        assert_same(run(raw), network(normalized(raw)))


@pytest.mark.parametrize(
    ("channels", "mean", "std"), [(1, 0.25, 0.5), (3, 0.25, 0.5), (4, 0.25, 0.5)]
)
def test_a_script_whose_channels_nobody_says(tmp_path, channels, mean, std):
    network = made("padded", channels)
    source = write(network, "scripted", tmp_path / "x.ts")
    shipped, run = folded(source, norm=f"{mean}/{std}")
    assert shipped.folded.channels == channels
    raw = pixels(channels=channels)
    with torch.no_grad():
        assert_same(run(raw), network((raw / 255 - mean) / std))


@pytest.mark.parametrize("kind", ["pt2", "traced"])
def test_other_pixels_than_bytes(tmp_path, kind):
    network = made("same")
    source = write(network, kind, file(tmp_path, kind))
    raw = pixels()
    with torch.no_grad():
        expected = network(normalized(raw))
        assert_same(folded(source, to="none")[1](raw / 255), expected)
        half = (raw / 255 - 0.5) / 0.5
        assert_same(folded(source, to="half")[1](half), expected)
        shipped, run = folded(source, residual=True)
        assert shipped.folded.scale == pytest.approx(3 / (0.229 + 0.224 + 0.225) / 255)
        assert_same(run(raw * shipped.folded.scale), expected)


def test_a_program_keeps_its_names(tmp_path):
    network = made("padded")
    source = write(network, "pt2", tmp_path / "x.pt2")
    run = folded(source)[1]
    names = [*network.state_dict(), "normscope_subtracted"]
    assert sorted(run.state_dict()) == sorted(names)
    told = [torch.export.load(path).graph_signature for path in (source, tmp_path / "raw.pt2")]
    assert told[1].user_inputs == told[0].user_inputs
    assert told[1].user_outputs == told[0].user_outputs
    raw = pixels()
    with torch.no_grad():
        assert_same(run(raw), network(normalized(raw)))


def test_a_program_keeps_its_open_axes_and_its_fixed_ones(tmp_path):
    network = made("padded")
    size = {axis: torch.export.Dim(name, min=8, max=64) for axis, name in ((2, "h"), (3, "w"))}
    source = write(network, "pt2", tmp_path / "x.pt2", dynamic={0: torch.export.Dim("n"), **size})
    shipped, run = folded(source, image_size=None)
    assert shipped.folded.image_size == (64, 64)
    raw = pixels(3, height=24, width=40)
    with torch.no_grad():
        assert_same(run(raw), network(normalized(raw)))
    with pytest.raises(AssertionError, match="64"):
        run(pixels(3, height=80, width=40))

    write(network, "pt2", source, torch.zeros(6, 3, 20, 16), dynamic={})
    shipped, run = folded(source, image_size=None)
    assert shipped.folded.image_size == (20, 16)
    raw = pixels(6, height=20)
    with torch.no_grad():
        assert_same(run(raw), network(normalized(raw)))
    with pytest.raises(AssertionError):
        run(raw[:2])


def test_channels_last(tmp_path):
    torch.manual_seed(0)
    network = ChannelsLast().eval()
    source = write(network, "pt2", tmp_path / "x.pt2", torch.zeros(2, 16, 16, 3))
    raw = pixels()
    with torch.no_grad():
        expected = network(normalized(raw).permute(0, 2, 3, 1))
        assert_same(folded(source)[1](raw.permute(0, 2, 3, 1)), expected)
    network.rest[0] = nn.Conv2d(3, 6, 3, padding=1)
    write(network.eval(), "pt2", source, torch.zeros(2, 16, 16, 3))
    with torch.no_grad():
        expected = network(normalized(raw).permute(0, 2, 3, 1))
        assert_same(folded(source)[1](raw.permute(0, 2, 3, 1)), expected)


@pytest.mark.parametrize(("dtype", "most"), [(torch.float64, 1e-10), (torch.float16, 0.02)])
@pytest.mark.parametrize("kind", ["pt2", "traced"])
def test_other_types(tmp_path, kind, dtype, most):
    network = made("padded").to(dtype)
    source = write(network, kind, file(tmp_path, kind), torch.zeros(2, 3, 16, 16, dtype=dtype))
    shipped, run = folded(source)
    assert shipped.differences.first_layer < most
    raw = pixels()
    mean, std = (torch.tensor(v, dtype=torch.float64).reshape(-1, 1, 1) for v in NORMS[3])
    with torch.no_grad():
        expected = network(((raw.double() / 255 - mean) / std).to(dtype))
        assert run(raw).dtype == dtype
        assert (run(raw) - expected).abs().max() < most


class Flowing(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.rest = nn.Conv2d(3, 6, 3, padding=1), nn.Sequential(*rest())

    def forward(self, images: torch.Tensor):
        found = self.first(images)
        if found.mean() > 100:
            return self.rest(found) + 1
        return self.rest(found)


def test_a_script_keeps_its_branches_texts_and_modes(tmp_path):
    torch.manual_seed(0)
    network = Flowing().eval()
    source = write(network, "scripted", tmp_path / "x.pt", _extra_files={"classes.txt": "a\nb"})
    run = folded(source)[1]
    raw = pixels()
    with torch.no_grad():
        assert_same(run(raw), network(normalized(raw)))
    with zipfile.ZipFile(tmp_path / "raw.pt") as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("extra/classes.txt")]
        assert archive.read(name) == b"a\nb"
    assert not run.training
    assert "program.first.weight" in run.state_dict()


def test_a_folded_script_is_not_taken_for_one_of_normalized_pixels(tmp_path):
    source = write(Flowing().eval(), "scripted", tmp_path / "x.pt")
    folded(source)
    with pytest.raises(NormscopeError) as met:
        read_torchscript(tmp_path / "raw.pt")
    assert "got the input pixels of uint8: raw pixels, so that its normaliz" in str(met.value)
    to_half = ["fold", str(source), "--norm=imagenet", "--to=half", f"--out={tmp_path / 'half.pt'}"]
    assert run([*to_half, "--image-size=16"]) == 0
    read_torchscript(tmp_path / "half.pt")


def test_reflected_pixels_in_front_of_a_layer():
    from normscope.deploy.folding import fold

    class Reflected(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3)

        def forward(self, images):
            return self.first(functional.pad(images, (1, 1, 1, 1), mode="reflect"))

    raw, network = pixels(), Reflected()
    with torch.no_grad():
        found = fold(network, norm(3), image_size=16).model(raw)
        assert_same(found, network(normalized(raw)))
