"""Networks as programs' files, their folds, and what they are held against."""

from __future__ import annotations

import warnings

import torch
from torch import nn

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
