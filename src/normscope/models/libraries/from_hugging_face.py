"""Image classifiers of Hugging Face's transformers (extra ``hf``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, WorkFailed
from normscope.models.libraries import HUGGING_FACE
from normscope.models.libraries.protocol import PretrainedConfig
from normscope.models.outputs import Logits
from normscope.normalization import Normalization

if TYPE_CHECKING:
    from torch import nn


class HuggingFaceModel:
    """An image classifier of transformers: a repository's name or a local folder.

    Weights are read from safetensors alone, and no code of a repository is run.

    Args:
        name: With its prefix, such as ``"hf/microsoft/resnet-18"``.

    Raises:
        NormscopeError: If transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            import transformers
        except ImportError:
            raise NormscopeError(
                f"transformers must be installed for --model {name}, got no such package. "
                "Run: pip install 'normscope[hf]'."
            ) from None
        self._transformers: Any = transformers
        self._name = name.removeprefix(HUGGING_FACE)

    def build(self, channels: int, classes: int, image_size: tuple[int, int]) -> nn.Module:  # noqa: ARG002
        """A freshly initialized network of the repository's configuration."""
        config = self._config()
        config.num_labels = classes
        if hasattr(config, "num_channels"):
            config.num_channels = channels
        kind = self._transformers.AutoModelForImageClassification
        return Logits(kind.from_config(config, trust_remote_code=False))

    def pretrained(self) -> nn.Module:
        """The network with the repository's weights."""
        with _fetched(self._name):
            model = self._transformers.AutoModelForImageClassification.from_pretrained(
                self._name, use_safetensors=True, trust_remote_code=False
            )
        return Logits(model)

    def published(self) -> PretrainedConfig | None:
        """What the repository's configuration and image processor say.

        Returns:
            The names of the outputs, and the normalization where there is a processor.
        """
        labels = self._config().id2label
        classes = tuple(labels[i] for i in range(len(labels)))
        try:
            processor, _ = self._transformers.ImageProcessingMixin.get_image_processor_dict(
                self._name
            )
        except OSError:
            return PretrainedConfig(classes=classes)
        if not processor.get("image_mean"):
            return PretrainedConfig(classes=classes)
        return PretrainedConfig(
            Normalization(processor["image_mean"], processor["image_std"]), classes
        )

    def of_timm(self) -> bool:
        """Whether timm wrote the repository, which then reads it."""
        with _fetched(self._name):
            kind = self._transformers.PretrainedConfig
            said, _ = kind.get_config_dict(self._name)
        return said.get("model_type") == "timm_wrapper"

    def _config(self) -> Any:
        with _fetched(self._name):
            # Said, since transformers would ask whoever sits at the terminal.
            return self._transformers.AutoConfig.from_pretrained(
                self._name, trust_remote_code=False
            )


class _fetched:  # noqa: N801 - used as a with statement
    """Say in one sentence what transformers could not fetch."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError):
            first = (str(error).splitlines() or ["unknown"])[0]
            raise WorkFailed(
                f"hf/{self._name} must be a folder or a repository of an image classifier that "
                f"can be fetched, got: {first}. Check the name and the network."
            ) from None
