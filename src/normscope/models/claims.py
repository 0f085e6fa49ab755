"""Every statement about a model's preprocessing that its files and its library make."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.models.building import published
from normscope.models.files.naming import names_file
from normscope.models.files.onnx_file import read_graph
from normscope.models.importing import names_code
from normscope.models.libraries import HUGGING_FACE
from normscope.models.libraries.own import OWN_MODELS
from normscope.models.options import DEFAULT_WEIGHTS
from normscope.models.preprocessing.between import disagreements
from normscope.models.preprocessing.claim import Claim
from normscope.models.preprocessing.folder import folder_claims, processor_claims
from normscope.models.preprocessing.keras_layers import keras_claims
from normscope.models.preprocessing.metadata import metadata_claims
from normscope.models.preprocessing.onnx_nodes import onnx_claims
from normscope.models.weights import weights_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Claim", "Claims", "claims"]


@dataclass(frozen=True)
class Claims:
    """What a model's files and its library say of its preprocessing.

    Attributes:
        claims: Strongest first: what the model itself does, the processor that was named, the
            model's or the weights' own configuration, its library's.
        contradictions: What is wrong in a claim or between two, a sentence each.
    """

    claims: tuple[Claim, ...]
    contradictions: tuple[str, ...]

    @property
    def inside(self) -> Claim | None:
        """What the model does itself, where its file shows it."""
        return next((c for c in self.claims if c.inside and c.normalization), None)

    @property
    def outside(self) -> Claim | None:
        """The strongest claim that says what is left to do in front of the model."""
        return next((c for c in self.claims if c.outside is not None), None)

    def to_json(self) -> dict[str, Any]:
        """Claims and contradictions as JSON has them."""
        return {
            "claims": [claim.to_json() for claim in self.claims],
            "contradictions": list(self.contradictions),
        }


@dataclass
class _Gathered:
    claims: list[Claim] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, read: tuple[Iterable[Claim], Iterable[str]]) -> None:
        claims, faults = read
        self.claims += claims
        self.faults += (fault for fault in faults if fault not in self.faults)


def claims(
    model: str, weights: str | Path | None = None, processor: str | Path | None = None
) -> Claims:
    """Gather every claim about a model's preprocessing, with its source.

    Nothing is downloaded but the configuration of a repository that is named, and no code of a
    repository or file is run.

    Args:
        model: A model's name as ``build_model`` takes it, or the path of a file or folder.
        weights: The file of weights, if any; its metadata and what lies beside it are read too.
        processor: The folder or file of an image processor that is used with it.

    Returns:
        The claims, strongest first, and what is contradictory about them.

    Raises:
        NormscopeError: If a file cannot be read, or a name is unknown.
    """
    gathered = _Gathered()
    path = _path(model)
    if path is not None:
        gathered.add(_of_file(path))
    if processor is not None:
        gathered.add(processor_claims(Path(processor)))
    if path is not None:
        gathered.add(folder_claims(path if path.is_dir() else path.parent))
    file = None if weights is None or str(weights) == DEFAULT_WEIGHTS else Path(weights)
    if file is not None:
        gathered.add(_of_file(file))
        gathered.add(folder_claims(file.parent))
    if path is None:
        gathered.add(_of_library(model, file))
    return Claims(tuple(gathered.claims), (*gathered.faults, *disagreements(gathered.claims)))


def _path(model: str) -> Path | None:
    # None where nothing is there, which the model's library says.
    if model.startswith(HUGGING_FACE):
        path = Path(model.removeprefix(HUGGING_FACE))
    else:
        path = Path(model).expanduser()
    there = (model.startswith(HUGGING_FACE) or names_file(model)) and path.exists()
    return path if there else None


def _of_file(path: Path) -> tuple[list[Claim], list[str]]:
    reader = READERS.get(path.suffix.lower())
    return reader(path) if reader else ([], [])


def _of_onnx(path: Path) -> tuple[list[Claim], list[str]]:
    return onnx_claims(read_graph(path, weights=False), path.name)


def _of_weights(path: Path) -> tuple[list[Claim], list[str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError):
        return [], []  # which is said where the weights are read
    return metadata_claims(metadata, path.name)


READERS = {".onnx": _of_onnx, ".keras": keras_claims, ".safetensors": _of_weights}


def _of_library(model: str, weights: Path | None) -> tuple[list[Claim], Sequence[str]]:
    if model in OWN_MODELS or names_code(model):
        return [], []
    said = published(model)
    if said is None or said.claim is None:
        return [], []
    others = weights is not None and not weights_digest(weights).startswith(said.digests)
    return [replace(said.claim, of_others=others)], said.faults
