"""The models of timm (extra ``timm``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, UnknownName, WorkFailed
from normscope.models.libraries import TIMM
from normscope.models.libraries.protocol import PretrainedConfig
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from torch import nn


class TimmModel:
    """A model of timm.

    Args:
        name: With its prefix, such as ``"timm/resnet18.a1_in1k"``.

    Raises:
        UnknownName: If timm has no such model.
        NormscopeError: If timm is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            import timm
        except ImportError:
            raise NormscopeError(
                f"timm must be installed for --model {name}, got no such package. "
                "Run: pip install 'normscope[timm]'."
            ) from None
        self._timm: Any = timm
        self._name = name.removeprefix(TIMM)
        if not timm.is_model(self._name):
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
            raise WorkFailed(
                f"the weights of timm/{self._name} must be in the cache or downloadable, got "
                f"{type(error).__name__}: {error}. Fetch them by hand and pass the file to "
                "--weights."
            ) from error

    def published(self) -> PretrainedConfig | None:
        """What timm's configuration of the model says.

        Returns:
            Its normalization, crop and resize; the classes where it has ImageNet's.
        """
        config = self._timm.get_pretrained_cfg(self._name)
        if config is None or not config.has_weights:
            return None
        crop = config.input_size[-1]
        return PretrainedConfig(
            Normalization(config.mean, config.std),
            None,
            round(crop / config.crop_pct),
            crop,
        )
