"""Run by each cell's own Python, without the checkout: ``python -I uses.py PART``.

Makes small files with the packages that an extra brings and gives them to the command.
"""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np

LIGHT = (
    "cli", "errors", "figures", "findings", "images", "init_scale", "keywords", "machine",
    "normalization", "options", "reports", "statistics", "wording", "writing",
)  # fmt: skip
"""The parts of the package that work without any extra."""

LEAST_DOCTESTS = 60
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), dtype=np.uint8)


def command(*arguments: object, status: int = 0, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [Path(sys.executable).parent / "normscope", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", timeout=300, **options,
    )  # fmt: skip
    assert done.returncode == status, f"{arguments}: {done.returncode}: {done.stderr[-2000:]}"
    return done


def statistics(*arguments: object) -> dict:
    return json.loads(command("stats", *arguments, "--json", "-").stdout)


def has_the_mean(expected: np.ndarray, *arguments: object, rtol: float = 1e-12) -> None:
    mean = statistics(*arguments)["mean"]
    np.testing.assert_allclose(mean, expected, rtol=rtol)


MEAN = PIXELS.mean((0, 1, 2)) / 255


def core() -> None:
    from PIL import Image

    import normscope

    assert "stats" in command("--help").stdout
    assert normscope.__version__ in command("--version").stdout
    folder = Path("photos")
    folder.mkdir()
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    has_the_mean(MEAN, folder, "--out", "statistics")
    assert Path("statistics/figures/channel_histograms.png").is_file()
    said = command("stats", "digits").stdout
    assert "1438 images" in said, said
    doctests(installed(normscope))


def installed(package) -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(package.__path__, "normscope.")]
    return [name for name in found if name.split(".")[1] in LIGHT]


def doctests(names: list[str]) -> None:
    from normscope.errors import EXTRAS

    tried = 0
    for name in names:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in EXTRAS:
                raise
            continue
        failed, attempted = doctest.testmod(module)
        assert not failed, f"doctests of {name}"
        tried += attempted
    assert tried >= LEAST_DOCTESTS, f"only {tried} doctests"


def arrays() -> None:
    import h5py
    import zarr
    from astropy.io import fits

    with h5py.File("a.h5", "w") as file:
        file["images"] = PIXELS
    has_the_mean(MEAN, "a.h5")
    group = zarr.open_group("a.zarr", mode="w")
    group.create_array("images", shape=PIXELS.shape, dtype=PIXELS.dtype)[...] = PIXELS
    has_the_mean(MEAN, "a.zarr")
    fits.writeto("a.fits", PIXELS[0, :, :, 0].astype(">i2"))
    statistics("a.fits", "--scale", "255")


def exr() -> None:
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    light = (PIXELS[0] / 255).astype(np.float32)
    with OpenEXR.File(header, {"RGB": light}) as file:
        file.write("a.exr")
    has_the_mean(light.mean((0, 1), dtype=np.float64), "a.exr")


def fast() -> None:
    # As many images over all epochs as repay compiling.
    done = command(
        "train", "digits", "--epochs", "45", "--precision", "fp32", "--threads", "1", "--json", "-"
    )
    trained = json.loads(done.stdout)
    assert trained["environment"]["numba"]
    assert trained["accuracy"] > 0.9
    package = Path(importlib.import_module("normscope").__file__).parent
    kept = list(package.rglob("winograd_passes.*.nbi"))
    assert kept, f"no compiled pass is kept in {package}"


def heic() -> None:
    import pillow_heif

    smooth = np.kron(PIXELS[0, :4, :4], np.ones((16, 16, 1), np.uint8))
    pillow_heif.from_bytes("RGB", smooth.shape[1::-1], smooth.tobytes()).save("a.heic")
    has_the_mean(smooth.mean((0, 1)) / 255, "a.heic", rtol=0.03)


def medical() -> None:
    import nibabel
    import pydicom
    from pydicom.data import get_testdata_file

    path = get_testdata_file("JPEG2000.dcm") or get_testdata_file("CT_small.dcm")
    pydicom.dcmread(path).pixel_array  # noqa: B018 - a decoder is there
    assert statistics(path)["images"] == 1
    volume = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    nibabel.save(volume, "a.nii.gz")
    assert statistics("a.nii.gz", "--scale", "100")["pixels"] == 60


def postgresql() -> None:
    import psycopg

    assert psycopg.pq.version() > 0
    # Nothing listens on port 1: the driver is there where it is that which answers.
    url = "postgresql://nobody@127.0.0.1:1/none"
    said = command("report", ".", "--storage", url, "--study", "x", status=2).stderr
    assert "Connection refused" in said or "connection" in said, said
    assert "pip install" not in said, said


def ray() -> None:
    import ray as library

    np.save("a.npy", PIXELS)
    context = library.init(num_cpus=1, include_dashboard=False)
    try:
        has_the_mean(MEAN, "a.npy", "--ray", context.address_info["gcs_address"])
    finally:
        library.shutdown()


def remote() -> None:
    import functools
    import http.server
    import threading

    from PIL import Image

    Path("served").mkdir()
    Image.fromarray(PIXELS[0]).save("served/a.png")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        expected = PIXELS[0].mean((0, 1)) / 255
        has_the_mean(expected, f"http://127.0.0.1:{server.server_port}/a.png")
        server.shutdown()
    for name in ("gcsfs", "s3fs", "huggingface_hub"):
        importlib.import_module(name)


def tables() -> None:
    import io

    import google_crc32c
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    encoded = []
    for pixels in PIXELS:
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG")
        encoded.append({"bytes": data.getvalue(), "path": None})
    pq.write_table(pa.table({"image": encoded}), "a.parquet")
    has_the_mean(MEAN, "a.parquet")
    assert google_crc32c.value(b"123456789") == 0xE3069283


def tiff() -> None:
    import tifffile

    tifffile.imwrite("a.tif", PIXELS[0], photometric="rgb", compression="zlib")
    has_the_mean(PIXELS[0].mean((0, 1)) / 255, "a.tif")


def video() -> None:
    import av

    with av.open("a.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width = PIXELS.shape[1:3]
        stream.pix_fmt = "bgr0"
        for pixels in PIXELS:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    has_the_mean(MEAN, "a.mkv")


SMALL = ["--epochs", "1", "--train-images", "100"]


def train() -> None:
    import torch

    done = command("train", "digits", "--norm", "half", *SMALL, "--json", "-")
    assert 0 <= json.loads(done.stdout)["accuracy"] <= 1
    fold_squeezenet("raw.safetensors")
    command("scan", "digits", "--mean", "0,0.5", "--std", "0.5", "--seeds", "2", *SMALL,
            "--out", "study")  # fmt: skip
    assert Path("study/report.html").is_file()
    assert torch.__version__


def fold_squeezenet(out: str) -> None:
    import safetensors.torch
    import torchvision

    network = torchvision.models.squeezenet1_1()
    safetensors.torch.save_file(network.state_dict(), "weights.safetensors")
    command("fold", "squeezenet1_1", "--weights", "weights.safetensors", "--norm", "imagenet",
            "-o", out)  # fmt: skip


def timm() -> None:
    import safetensors.torch
    import timm as library

    network = library.create_model("resnet10t")
    safetensors.torch.save_file(network.state_dict(), "weights.safetensors")
    command("fold", "timm/resnet10t", "--weights", "weights.safetensors", "--norm", "imagenet",
            "-o", "raw.safetensors")  # fmt: skip


def hf() -> None:
    import transformers

    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=3
    )
    transformers.ResNetForImageClassification(config).eval().save_pretrained("network")
    command("fold", "hf/network", "--weights", "default", "--norm", "imagenet",
            "-o", "raw.safetensors", "--image-size", "32")  # fmt: skip


def keras() -> None:
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    import keras as library

    library.Sequential([
        library.Input((16, 16, 3)), library.layers.Conv2D(4, 3),
        library.layers.GlobalAveragePooling2D(), library.layers.Dense(4),
    ]).save("network.keras")  # fmt: skip
    from PIL import Image

    Path("photos").mkdir()
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(f"photos/{number}.png")
    command("audit", "network.keras", "--norm", "half", "--images", "photos", "--resize", "16",
            "--crop", "16")  # fmt: skip


def lightning() -> None:
    import pytorch_lightning as library
    import torch

    from normscope.lightning import NormalizationGuard

    class Network(library.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)

        def training_step(self, batch, _):
            return self.layer(batch.mean(dim=(2, 3))).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = library.Trainer(
        max_steps=1, accelerator="cpu", callbacks=[NormalizationGuard("none")], **quiet
    )
    trainer.fit(Network(), torch.utils.data.DataLoader(torch.rand(4, 3, 8, 8), 4))


def onnx() -> None:
    import onnx as library

    fold_squeezenet("raw.onnx")
    library.checker.check_model("raw.onnx")


USES = {
    use.__name__: use
    for use in (core, arrays, exr, fast, heic, hf, keras, lightning, medical, onnx, postgresql, ray,
                remote, tables, tiff, timm, train, video)
}  # fmt: skip

if __name__ == "__main__":
    USES[sys.argv[1]]()
