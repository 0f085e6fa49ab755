"""Folded models as files: weights with a plan, a torch program, or ONNX; each read back."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from normscope._version import __version__
from normscope.deploy.layers import RawPixels, build_layer, put_layer
from normscope.errors import NormscopeError, UnknownName
from normscope.keywords import checked
from normscope.models.building import build_model
from normscope.models.files.onnx_file import require_onnx
from normscope.models.importing import check_caller_named
from normscope.models.options import ModelOptions
from normscope.quiet import without_warnings
from normscope.regular_files import read_text
from normscope.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.deploy.before import Fold
    from normscope.deploy.folding import Folded

SUFFIXES = {
    ".safetensors": "weights, with a plan beside them",
    ".pt2": "a program of torch.export",
    ".onnx": "ONNX, extra onnx",
}


@dataclass(frozen=True)
class Built:
    """How the original network is built again.

    Attributes:
        name: The model, as ``build_model`` takes it.
        outputs: How many outputs it has.
        batchnorm: False if every BatchNorm was left out.
    """

    name: str
    outputs: int
    batchnorm: bool = True


def check_suffix(path: Path) -> str:
    """The format that a file's name asks for.

    Args:
        path: Where the folded model will be.

    Returns:
        Its suffix.

    Raises:
        UnknownName: If it is none of the known ones.
        NormscopeError: If its folder is not there.
        MissingExtra: If a package for the format is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise UnknownName("the suffix of --out", path.suffix, SUFFIXES)
    check_folder(path)
    if path.suffix == ".onnx":
        require_onnx(path, "onnxruntime", "onnxscript")
    return path.suffix


def check_folder(path: Path) -> None:
    """Refuse a file in a folder that is not there."""
    if not path.parent.is_dir():
        raise NormscopeError(
            f"--out must lie in an existing folder, got {path}. Make {path.parent} first."
        )


def save_folded(folded: Folded, path: Path, built: Built) -> Callable[[Tensor], Tensor]:
    """Write a folded model in the format of its file's name, and read it back.

    Args:
        folded: The model and what was done to it.
        path: Ends in ``.safetensors``, ``.pt2`` or ``.onnx``; written whole or not at all.
        built: How the original is built again.

    Returns:
        The model as read from the file: raw pixels to outputs.
    """
    writers = {".safetensors": _write_weights, ".pt2": _write_program, ".onnx": _write_onnx}
    writers[check_suffix(path)](folded, path, built)
    if path.suffix == ".safetensors":
        return load_folded(path, model=built.name)
    return _read_program(path) if path.suffix == ".pt2" else _read_onnx(path)


def plan_path(path: str | Path) -> Path:
    """Where the plan of folded weights lies: under the same name with ``.json``."""
    return Path(path).with_suffix(".json")


@checked
def load_folded(path: str | Path, *, model: str | None = None) -> RawPixels:
    """The folded model that ``normscope fold -o FILE.safetensors`` wrote.

    Args:
        path: The file of weights; its plan lies beside it.
        model: The model that was folded. The plan names it too, but where that is a factory
            ``package.module:factory``, it is imported only if you name the same here.

    Returns:
        Takes raw pixels ``(N, C, H, W)``; in evaluation mode.

    Raises:
        NormscopeError: If the two files cannot be read or do not belong together, or if the plan
            names a factory that the caller does not.
    """
    from normscope.models.weights import read_weights, weights_digest

    try:
        plan = json.loads(read_text(plan_path(path)))
        built, digest = Built(**plan["built"]), plan.get("digest")
        channels = int(plan["channels"])
        height, width = map(int, plan["image_size"])
        layers = {name: build_layer(change) for name, change in plan["layers"].items()}
        dtype = getattr(torch, plan["dtype"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NormscopeError(
            f"{plan_path(path)} must be the plan that normscope fold wrote beside {path}, got: "
            f"{type(error).__name__}: {error}. Fold again."
        ) from None
    check_caller_named(built.name, model, str(plan_path(path)), "model=")
    if digest not in {None, weights_digest(path)}:
        raise NormscopeError(
            f"{path} must be the weights that the plan beside it was written with, got others, as "
            "after a fold that was killed. Fold again."
        )
    network: nn.Module = build_model(
        built.name,
        channels=channels,
        classes=built.outputs,
        image_size=(height, width),
        options=ModelOptions(batchnorm=built.batchnorm),
    )
    for name, layer in layers.items():
        network = put_layer(network, name, layer)
    whole = RawPixels(network.to(dtype), dtype).eval().requires_grad_(False)
    try:
        whole.model.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise NormscopeError(
            f"the weights of {path} must fit the plan beside them, got: "
            f"{str(error).splitlines()[-1].strip()} Fold again."
        ) from None
    return whole


def _write_weights(folded: Folded, path: Path, built: Built) -> None:
    from safetensors.torch import save

    from normscope.models.weights import FOLDED

    plan = {
        "normscope": __version__,
        "wrapper": "normscope.load_folded",
        "built": dataclasses.asdict(built),
        "dtype": str(folded.model.dtype).removeprefix("torch."),
        **describe(folded),
        "layers": folded.changes,
    }
    state = {name: t.contiguous().clone() for name, t in folded.model.model.state_dict().items()}
    weights = save(state, FOLDED)
    # Between two renamings a process can be killed: the digest tells whether both are of one fold.
    plan["digest"] = hashlib.sha256(weights).hexdigest()[:16]
    # Neither without the other.
    with replacing(plan_path(path)) as temporary_plan, replacing(path) as temporary:
        temporary.write_bytes(weights)
        temporary_plan.write_text(json.dumps(plan, indent=2) + "\n", encoding="utf-8")


def describe(folded: Fold) -> dict[str, Any]:
    """What a folded model takes, as plain data."""
    return {
        "normalization": folded.normalization.to_json(),
        "takes": folded.takes,
        "scale": folded.scale,
        "channels": folded.channels,
        "image_size": list(folded.image_size),
    }


def _example(folded: Folded) -> Tensor:
    shape = (2, folded.channels, *folded.image_size)
    whole = folded.takes == "uint8" and folded.scale == 1
    return torch.zeros(shape, dtype=torch.uint8 if whole else folded.model.dtype)


def _write_program(folded: Folded, path: Path, _: Built) -> None:
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        folded.model, (_example(folded),), dynamic_shapes={"pixels": {0: batch}}
    )
    # Into memory first: torch's own writer ends the process where the disk is full.
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _write_onnx(folded: Folded, path: Path, _: Built) -> None:
    with without_warnings():
        program = torch.onnx.export(
            folded.model,
            (_example(folded),),
            dynamo=True,
            input_names=["pixels"],
            output_names=["outputs"],
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    assert program is not None  # as it is of dynamo
    model = program.model_proto.SerializeToString()
    with replacing(path) as temporary:
        temporary.write_bytes(model)


def _read_program(path: Path) -> Callable[[Tensor], Tensor]:
    return torch.export.load(path).module()


def _read_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0])
