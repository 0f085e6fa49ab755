"""One network as many kinds of file: is ``audit`` the same, image by image, and ``fold``?

    python -m benchmarks.kinds_of_file [--images 1000] [--only NAME ...] [--json FILE]

Needs NORMSCOPE_DATA and NORMSCOPE_WEIGHTS. What each format holds: ``.onnx``, ``.pt2``,
TorchScript and ``.keras`` any network; a folder of timm's or Hugging Face's those of its library.
SqueezeNet is in neither, nor is a ResNet-20 that starts without a stride; the weights of a
ResNet-18, trained here for a minute, fit torchvision's, timm's and transformers' own.

Each kind is folded too, a program into its own kind and the others into ONNX, and what was written
is given bytes: how far is it at most from the network on normalized images?
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from safetensors.torch import save_file
from torch import fx, nn

from normscope.auditing import audit as auditing
from normscope.auditing.answering import Answers
from normscope.deploy.options import FoldOptions
from normscope.deploy.shipping import ship
from normscope.errors import NormscopeError
from normscope.images.finding import find_images
from normscope.images.opening import open_source
from normscope.models.building import build_model
from normscope.models.options import ModelOptions
from normscope.normalization import IMAGENET
from normscope.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Callable

os.environ.setdefault("KERAS_BACKEND", "torch")

BATCH, EPOCHS, RATE, TRAINED_ON = 64, 2, 0.1, 3_000
FOLDED_ON = 8
AGREED = 1e-4
STAGES = 4


class Kept(Answers):
    """Answers that are still there after an audit."""

    last: Kept | None = None

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        Kept.last = self


@dataclass(frozen=True)
class Network:
    """A network, its images, and what an audit of them is told.

    Attributes:
        name: As ``build_model`` takes it.
        module: The network itself.
        weights: Its file of weights.
        images: Labelled ones.
        side: Of an image that it is shown, in pixels.
        sized: Resize and crop.
    """

    name: str
    module: nn.Module
    weights: Path
    images: Path
    side: int
    sized: dict[str, int]


class ToKeras(fx.Interpreter):
    """Runs a network on Keras's symbols, layer by layer, with its weights."""

    def convolution(self, x: Any, weight: torch.Tensor, bias: Any, **how: Any) -> Any:
        """A convolution with given weights ``(out, in, height, width)``."""
        import keras

        layer = keras.layers.Conv2D(
            weight.shape[0], tuple(weight.shape[2:]), use_bias=bias is not None, **how
        )
        x = layer(x)
        layer.set_weights([w.numpy() for w in (weight.permute(2, 3, 1, 0), bias) if w is not None])
        return x

    def call_module(self, target: Any, args: tuple, kwargs: dict) -> Any:  # noqa: ARG002
        """One of torch's layers."""
        from keras import layers

        module: Any = self.fetch_attr(target)
        (x,) = args
        state = {name: tensor.detach() for name, tensor in module.state_dict().items()}
        padding = getattr(module, "padding", 0)
        padding = padding if isinstance(padding, tuple) else (padding, padding)
        if any(padding):
            x = layers.ZeroPadding2D(padding)(x)
        match module:
            case nn.Conv2d():
                strides = module.stride
                return self.convolution(x, state["weight"], state.get("bias"), strides=strides)
            case nn.Linear():
                layer = layers.Dense(module.out_features)
                x = layer(x)
                layer.set_weights([state["weight"].T.numpy(), state["bias"].numpy()])
                return x
            case nn.BatchNorm2d():
                layer = layers.BatchNormalization(epsilon=module.eps)
                x = layer(x)
                names = ("weight", "bias", "running_mean", "running_var")
                layer.set_weights([state[name].numpy() for name in names])
                return x
            case nn.ReLU():
                return layers.ReLU()(x)
            case nn.MaxPool2d():  # behind a ReLU, where zeros change no maximum
                return layers.MaxPooling2D(module.kernel_size, module.stride)(x)
            case nn.AdaptiveAvgPool2d():
                return layers.GlobalAveragePooling2D(keepdims=True)(x)
            case nn.Dropout():
                return x
        raise NotImplementedError(type(module).__name__)

    def call_function(self, target: Any, args: tuple, kwargs: dict) -> Any:  # noqa: ARG002
        """One of torch's functions."""
        from keras import layers

        x = args[0]
        if target in {operator.add, operator.iadd}:
            return layers.Add()(list(args))
        if target is F.relu:
            return layers.ReLU()(x)
        if target is torch.cat:
            return layers.Concatenate(axis=-1)(list(x))
        if target is F.adaptive_avg_pool2d:
            return layers.GlobalAveragePooling2D(keepdims=True)(x)
        if target is torch.flatten:
            return layers.Flatten()(x)
        if target is operator.getitem:  # every other pixel
            return layers.MaxPooling2D(1, args[1][2].step)(x)
        if target is F.pad:  # with channels of zeros
            before, after = args[1][-2:]
            kernel = F.pad(torch.eye(x.shape[-1]), (0, 0, before, after))
            return self.convolution(x, kernel[:, :, None, None], None)
        raise NotImplementedError(str(target))

    def call_method(self, target: Any, args: tuple, kwargs: dict) -> Any:  # noqa: ARG002
        """One of a tensor's methods."""
        from keras import layers

        assert target == "flatten"
        return layers.Flatten()(args[0])


def as_keras(network: Network, path: Path) -> Path:
    """Write a network as a Keras file."""
    import keras

    images = keras.Input((network.side, network.side, 3))
    outputs = ToKeras(fx.symbolic_trace(network.module)).run(images)
    keras.Model(images, outputs).save(path)
    return path


def as_onnx(network: Network, path: Path) -> Path:
    """Write a network as ONNX."""
    torch.onnx.export(
        network.module, (example(network),), str(path), dynamo=False, input_names=["images"],
        dynamic_axes={"images": {0: "batch"}}, training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    return path


def as_program(network: Network, path: Path) -> Path:
    """Write a network as a program of torch.export."""
    shapes = ({0: torch.export.Dim("batch")},)
    given = torch.export.export(network.module, (example(network),), dynamic_shapes=shapes)
    torch.export.save(given, path)
    return path


def as_script(network: Network, path: Path) -> Path:
    """Write a network as TorchScript."""
    torch.jit.save(torch.jit.trace(network.module, example(network)), path)
    return path


def as_timm(network: Network, path: Path) -> Path:
    """Write a ResNet-18 as a folder of timm's."""
    path.mkdir()
    save_file(network.module.state_dict(), path / "model.safetensors")
    said = {
        "mean": IMAGENET.mean, "std": IMAGENET.std, "input_size": [3, network.side, network.side],
        "num_classes": 10, "first_conv": "conv1", "classifier": "fc", "pool_size": [1, 1],
    }  # fmt: skip
    configuration = {"architecture": "resnet18", "num_classes": 10, "pretrained_cfg": said}
    write_text(path / "config.json", json.dumps(configuration))
    return path


def as_hugging_face(network: Network, path: Path) -> Path:
    """Write a ResNet-18 as a folder of transformers', each weight under its name there."""
    from transformers import ResNetConfig, ResNetForImageClassification

    names = {"conv1": "resnet.embedder.embedder.convolution", "fc": "classifier.1"}
    names["bn1"] = "resnet.embedder.embedder.normalization"
    for stage in range(STAGES):
        for block in (0, 1):
            old, new = f"layer{stage + 1}.{block}", f"resnet.encoder.stages.{stage}.layers.{block}"
            for at in (0, 1):
                names[f"{old}.conv{at + 1}"] = f"{new}.layer.{at}.convolution"
                names[f"{old}.bn{at + 1}"] = f"{new}.layer.{at}.normalization"
            names[f"{old}.downsample.0"] = f"{new}.shortcut.convolution"
            names[f"{old}.downsample.1"] = f"{new}.shortcut.normalization"
    renamed = {}
    for name, tensor in network.module.state_dict().items():
        part, _, last = name.rpartition(".")
        renamed[f"{names[part]}.{last}"] = tensor
    configuration = ResNetConfig(
        hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"
    )
    configuration.num_labels = 10
    theirs = ResNetForImageClassification(configuration)
    theirs.load_state_dict(renamed)
    theirs.save_pretrained(path)
    return path


KINDS: dict[str, tuple[str, Callable[[Network, Path], Path]]] = {
    "ONNX": ("n.onnx", as_onnx),
    ".pt2": ("n.pt2", as_program),
    "TorchScript": ("n.pt", as_script),
    "Keras": ("n.keras", as_keras),
    "timm folder": ("timm", as_timm),
    "Hugging Face folder": ("hf", as_hugging_face),
}
ONLY_RESNET18 = {"timm folder", "Hugging Face folder"}


def example(network: Network) -> torch.Tensor:
    """Two images of the network's size."""
    return torch.zeros(2, 3, network.side, network.side)


def labelled(source: Path, folder: Path, count: int) -> Path:
    """Copy images of every class into a folder of their own."""
    images = list(find_images(source))
    for place in np.unique(np.linspace(0, len(images) - 1, count).astype(int)):
        target = folder / "val" / Path(images[place].name).parent.name
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{place}.jpg").write_bytes(images[place].read())
    return folder


def trained_resnet18(cifar: Path, path: Path) -> nn.Module:
    """A ResNet-18 for small images, trained for a minute, and its file of weights."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(num_classes=10)
    images = open_source(str(cifar)).train
    chosen = torch.randperm(len(images.labels))[:TRAINED_ON]
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
    pixels = torch.from_numpy(images.pixels[chosen.numpy()])
    labels = torch.from_numpy(images.labels[chosen.numpy()]).long()
    optimizer = torch.optim.SGD(model.parameters(), RATE, 0.9, weight_decay=5e-4)
    steps = EPOCHS * -(-TRAINED_ON // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for part in torch.randperm(TRAINED_ON).split(BATCH):
            loss = F.cross_entropy(model((pixels[part] / 255 - mean) / std), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    save_file(model.state_dict(), path)
    return model


def networks(data: Path, weights: Path, work: Path, count: int, only: list[str]) -> list[Network]:
    """The networks that are asked for, with their images."""

    def built(name: str, file: Path, images: Path, side: int, sized: dict[str, int]) -> Network:
        sizes = {"channels": 3, "classes": 10 if side == 32 else 1000, "image_size": (side, side)}
        module = build_model(name, **sizes, options=ModelOptions(str(file))).eval()
        return Network(name, module, file, images, side, sized)

    found = []
    if "squeezenet1_1" in only:
        file = weights / "squeezenet1_1-imagenet.safetensors"
        images = labelled(data / "imagenet-sample", work / "imagenet", count)
        found.append(built("squeezenet1_1", file, images, 224, {"resize": 256, "crop": 224}))
    if {"resnet20", "resnet18"} & {*only}:
        small = labelled(data / "cifar10-jpeg" / "test.tar", work / "cifar", count)
        if "resnet20" in only:
            found.append(built("resnet20", weights / "resnet20-cifar10.safetensors", small, 32, {}))
        if "resnet18" in only:
            file = work / "resnet18.safetensors"
            trained_resnet18(data / "cifar10-jpeg", file)
            found.append(built("resnet18", file, small, 32, {}))
    return found


def answers_of(model: str, network: Network, **more: Any) -> tuple[dict[str, np.ndarray], Any]:
    """What every way to prepare each image is answered, and the audit."""
    given = {"norm": "imagenet", "images": network.images, **network.sized, **more}
    found = auditing.audit(model, **given)
    assert Kept.last is not None
    names = ["reference", *(m.name for m in found.mistakes if m.cost is not None)]
    return {name: Kept.last.of(name) for name in names}, found


def folded_outputs(model: str, network: Network, path: Path, **more: Any) -> np.ndarray:
    """What a folded file gives for raw photographs, run by what runs such files."""
    ship(FoldOptions(model, norm="imagenet", out=path, image_size=network.side, **more))
    pixels = raw(network)
    given = torch.from_numpy(pixels)
    with torch.inference_mode():
        match path.suffix:
            case ".pt2":
                return torch.export.load(path).module()(given).numpy()
            case ".pt":
                return torch.jit.load(path)(given).numpy()
            case ".keras":
                import keras

                folded: Any = keras.saving.load_model(path)
                return np.asarray(folded(pixels.transpose(0, 2, 3, 1)))
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (first,) = session.get_inputs()
    return np.asarray(session.run(None, {first.name: pixels})[0])


def raw(network: Network) -> np.ndarray:
    """Bytes of real images in the network's size, shape ``(N, 3, side, side)``."""
    import cv2

    paths = sorted(network.images.rglob("*.jpg"))[:FOLDED_ON]
    pictures = [np.asarray(cv2.imread(str(path)))[..., ::-1] for path in paths]
    sized = [cv2.resize(picture, (network.side, network.side)) for picture in pictures]
    return np.ascontiguousarray(np.stack(sized).transpose(0, 3, 1, 2))


def compare(network: Network, work: Path) -> list[dict[str, Any]]:
    """Every kind of file beside the name with its weights."""
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
    with torch.inference_mode():
        expected = network.module((torch.from_numpy(raw(network)) / 255 - mean) / std).numpy()
    rows: list[dict[str, Any]] = []
    reference: dict[str, np.ndarray] = {}
    for kind, (file, write) in {"name": ("", None), **KINDS}.items():
        if kind in ONLY_RESNET18 and network.name != "resnet18":
            continue
        model, more = network.name, {"weights": str(network.weights)}
        if write is not None:
            model, more = str(write(network, work / file)), {}
        seconds, cpu = time.perf_counter(), time.process_time()
        answers, found = answers_of(model, network, **more)
        seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
        reference = reference or answers
        assert answers.keys() == reference.keys()
        other = {name: int((answers[name] != reference[name]).sum()) for name in reference}
        row = {"network": network.name, "kind": kind, "images": found.images}
        row |= {"ways": len(answers), "accuracy": found.reference.accuracy, "other_answers": other}
        row |= {"seconds": seconds, "cpu_seconds": cpu, "fold": None, "fold_refused": None}
        try:
            suffix = Path(file).suffix or ".onnx"
            outputs = folded_outputs(model, network, work / f"folded-{kind}{suffix}", **more)
            row["fold"] = float(np.abs(outputs - expected).max())
        except NormscopeError as error:
            row["fold_refused"] = str(error)
        rows.append(row)
        folded = row["fold_refused"] or f"{row['fold']:.2g}"
        print(
            f"{network.name} as {kind}: accuracy {row['accuracy']:.3f} of {row['images']} images, "
            f"at most {max(other.values())} other answers in one of {len(other)} ways, "
            f"{sum(other.values())} in all; fold {folded}; {seconds:.0f} s, CPU {cpu:.0f} s",
            flush=True,
        )
    return rows


def main() -> int:
    """Compare, print, and say whether all agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    names = ["squeezenet1_1", "resnet20", "resnet18"]
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    auditing.Answers = Kept
    warnings.simplefilter("ignore")
    data, weights = Path(os.environ["NORMSCOPE_DATA"]), Path(os.environ["NORMSCOPE_WEIGHTS"])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for network in networks(data, weights, work, chosen.images, chosen.only):
            (work / network.name).mkdir()
            rows += compare(network, work / network.name)
    if chosen.json:
        write_text(chosen.json, json.dumps(rows, indent=2) + "\n")
    far = [
        r for r in rows
        if max(r["other_answers"].values()) > 1 or r["fold"] is None or r["fold"] > AGREED
    ]  # fmt: skip
    largest = max((r["fold"] for r in rows if r["fold"] is not None), default=0.0)
    print(f"Folded, outputs differ by at most {largest:.2g} from the network on normalized images.")
    print(f"{len(far)} of {len(rows)} differ by more than one image, or by more than {AGREED}.")
    return int(bool(far))


if __name__ == "__main__":
    raise SystemExit(main())
