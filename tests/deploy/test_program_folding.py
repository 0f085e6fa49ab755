"""Folding ``.pt2`` and TorchScript files, against normalizing first and the network itself."""

from __future__ import annotations

import warnings
import zipfile

import pytest
import torch
from torch import nn
from torch.nn import functional

from normscope.deploy.options import FoldOptions
from normscope.deploy.shipping import ship

NORMS = {
    1: ([0.1307], [0.3081]),
    3: ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    4: ([0.1, 0.2, 0.3, 0.4], [0.5, 0.4, 0.3, 0.2]),
}


def norm(channels):
    return "/".join(",".join(map(str, values)) for values in NORMS[channels])


def rest(features=6):
    return [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 4)]


class Turned(nn.Module):
    """Takes blue first, and says so itself."""

    def __init__(self):
        super().__init__()
        self.rest = nn.Sequential(nn.Conv2d(3, 6, 3), *rest())

    def forward(self, images):
        return self.rest(images[:, [2, 1, 0]])


class ChannelsLast(Turned):
    def forward(self, images):
        return self.rest(images.permute(0, 3, 1, 2))


class Patches(nn.Module):
    """A linear layer over patches of 4 x 4 pixels, as vision transformers begin."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(48, 5), nn.Linear(5, 4)

    def forward(self, images):
        n, c, h, w = images.shape
        cut = images.reshape(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5)
        return {"logits": self.last(self.first(cut.reshape(n, -1, 48)).relu().mean(1))}


NETWORKS = {
    "plain": lambda c: nn.Sequential(nn.Conv2d(c, 6, 3), *rest()),
    "no bias": lambda c: nn.Sequential(nn.Conv2d(c, 6, 3, stride=2, bias=False), *rest()),
    "padded": lambda c: nn.Sequential(nn.Conv2d(c, 6, 5, padding=(2, 1), bias=False), *rest()),
    "same": lambda c: nn.Sequential(nn.Conv2d(c, 6, 4, padding="same"), *rest()),
    "padded before": lambda c: nn.Sequential(
        nn.ZeroPad2d((0, 1, 2, 1)), nn.Conv2d(c, 6, 3, dilation=2), *rest()
    ),
    "reflected": lambda c: nn.Sequential(
        nn.Conv2d(c, 6, 3, padding=1, padding_mode="reflect"), *rest()
    ),
    "grouped": lambda c: nn.Sequential(
        nn.Conv2d(c, 2 * c, 3, padding=1, groups=c), *rest(2 * c)
    ),
    "linear": lambda c: nn.Sequential(nn.Flatten(), nn.Linear(256 * c, 4)),
    "turned": lambda _: Turned(),
    "patches": lambda _: Patches(),
    "batch norm": lambda c: nn.Sequential(nn.BatchNorm2d(c), nn.Conv2d(c, 6, 3), *rest()),
}  # fmt: skip


def made(name, channels=3):
    torch.manual_seed(0)
    network = NETWORKS[name](channels)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight)
    return network.eval()


def write(network, kind, path, images=None, dynamic=None, **more):
    images = torch.zeros(2, 3, 16, 16) if images is None else images
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "pt2":
            shapes = ({0: torch.export.Dim("batch")} if dynamic is None else dynamic,)
            torch.export.save(torch.export.export(network, (images,), dynamic_shapes=shapes), path)
            return path
        if kind == "traced":
            script = torch.jit.trace(network, images, strict=False)
        else:
            script = torch.jit.script(network)
        torch.jit.save(torch.jit.freeze(script) if kind == "frozen" else script, path, **more)
    return path


def file(folder, kind, name="x"):
    return folder / f"{name}.{'pt2' if kind == 'pt2' else 'pt'}"


def loaded(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt2":
            return torch.export.load(path).module()
        return torch.jit.load(path)


def folded(source, channels=3, **more):
    out = source.with_name(f"raw{source.suffix}")
    given = {"norm": norm(channels), "image_size": 16, **more}
    return ship(FoldOptions(str(source), out=out, **given)), loaded(out)


def pixels(count=5, channels=3, height=16, width=16):
    generator = torch.Generator().manual_seed(2)
    shape = (count, channels, height, width)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator)


def normalized(raw):
    mean, std = (
        torch.tensor(v, dtype=torch.float64).reshape(-1, 1, 1) for v in NORMS[raw.shape[1]]
    )
    return ((raw.double() / 255 - mean) / std).float()


def assert_same(found, expected):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = found["logits"], expected["logits"]
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


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


@pytest.mark.parametrize(("channels", "mean", "std"), [(1, 0.25, 0.5), (3, 0.25, 0.5)])
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
