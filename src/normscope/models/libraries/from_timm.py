"""The models of timm (extra ``timm``)."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normscope.errors import MissingExtra, UnknownName, WorkFailed
from normscope.models.libraries import TIMM
from normscope.models.libraries.protocol import PretrainedConfig
from normscope.models.preprocessing.folder import model_config
from normscope.models.preprocessing.timm_config import (
    timm_claim,
    timm_classes,
    timm_faults,
    timm_settings,
)
from normscope.wording import first_line

if TYPE_CHECKING:
    from torch import nn


LOCAL, HUB = "local-dir:", "hf-hub:"
"""What timm writes in front of a folder and of a repository."""


class TimmModel:
    """A model of timm.

    Args:
        name: With its prefix, such as ``"timm/resnet18.a1_in1k"``, or
            ``"timm/hf-hub:timm/resnet18.a1_in1k"`` for a repository of any owner; or a folder with
            timm's own prefix, ``"local-dir:FOLDER"``.

    Raises:
        UnknownName: If timm has no such model.
        MissingExtra: If timm is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            import timm
        except ImportError:
            raise MissingExtra("timm", f"--model {name}") from None
        self._timm: Any = timm
        self._name = name.removeprefix(TIMM)
        if not self._of_its_own and not timm.is_model(self._name):
            known = timm.list_models()
            raise UnknownName("timm/NAME", self._name, [], also="a model of timm", similar=known)

    def build(self, channels: int, classes: int, image_size: tuple[int, int]) -> nn.Module:  # noqa: ARG002
        """A freshly initialized network."""
        return self._timm.create_model(self._name, num_classes=classes, in_chans=channels)

    def pretrained(self) -> nn.Module:
        """The network with timm's weights, from the Hugging Face cache or downloaded to it.

        Returns:
            The network, on the CPU, with their outputs.

        Raises:
            WorkFailed: If they cannot be fetched.
        """
        try:
            return self._timm.create_model(self._name, pretrained=True)
        except Exception as error:
            raise WorkFailed(_not_fetched("weights", self._name, error)) from error

    def published(self) -> PretrainedConfig | None:
        """What timm's configuration of the model says.

        Returns:
            Its normalization, crop and resize; the classes where it names them.
        """
        settings = self._settings()
        if settings is None:
            return None
        source = f"timm's pretrained_cfg of {self._name.removeprefix(LOCAL).removeprefix(HUB)}"
        return PretrainedConfig(
            timm_claim(settings, source), timm_classes(settings), timm_faults(settings, source)
        )

    @property
    def _of_its_own(self) -> bool:
        """Whether it is a folder or a repository, whose configuration stands beside its weights."""
        return self._name.startswith((LOCAL, HUB))

    def _settings(self) -> dict[str, Any] | None:
        if self._name.startswith(LOCAL):
            return timm_settings(model_config(Path(self._name.removeprefix(LOCAL))))
        if not self._of_its_own:
            known = self._timm.get_pretrained_cfg(self._name)
            return dataclasses.asdict(known) if known and known.has_weights else None
        from timm.models import load_model_config_from_hf

        try:
            return load_model_config_from_hf(self._name.removeprefix(HUB))[0]
        except Exception as error:  # noqa: BLE001 - as for its weights
            raise WorkFailed(_not_fetched("configuration", self._name, error)) from None


def _not_fetched(what: str, name: str, error: Exception) -> str:
    said = f"{type(error).__name__}: {first_line(error)}"
    if name.startswith(LOCAL):
        return (
            f"the {what} in {name.removeprefix(LOCAL)} must be those of a model that timm "
            f"{version('timm')} knows, got {said}. Fetch the whole folder again."
        )
    return (
        f"the {what} of timm/{name} must be in the cache or downloadable, got {said}. Fetch them "
        "by hand and pass the file to --weights."
    )
