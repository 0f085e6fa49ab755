"""Image classifiers of Hugging Face's transformers (extra ``hf``)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from normscope.errors import MissingExtra, WorkFailed
from normscope.models.libraries import HUGGING_FACE
from normscope.models.libraries.hub import only_local
from normscope.models.libraries.protocol import PretrainedConfig
from normscope.models.outputs import Logits
from normscope.models.preprocessing.folder import PROCESSORS, processor_reading
from normscope.models.preprocessing.hugging_face_processor import open_processor, run_processor
from normscope.wording import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


class HuggingFaceModel:
    """An image classifier of transformers: a repository's name or a local folder.

    Weights are read from safetensors alone, and no code of a repository is run.

    Args:
        name: With its prefix, such as ``"hf/microsoft/resnet-18"``.

    Raises:
        MissingExtra: If transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            import transformers
        except ImportError:
            raise MissingExtra("transformers", f"--model {name}") from None
        self._transformers: Any = transformers
        self._name = name.removeprefix(HUGGING_FACE)
        self._local = only_local(self._name)

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
                self._name,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=self._local,
            )
        return Logits(model)

    def published(self) -> PretrainedConfig | None:
        """What the repository's configuration and image processor say.

        Returns:
            The names of the outputs, and what the processor does where there is one: by its
            settings, and by running it.
        """
        config = self._config()
        labels = config.id2label
        classes = tuple(labels[i] for i in range(len(labels)))
        try:
            settings, _ = self._transformers.ImageProcessingMixin.get_image_processor_dict(
                self._name, local_files_only=self._local
            )
        except OSError:
            return PretrainedConfig(classes=classes)
        channels = getattr(config, "num_channels", None)
        claim, faults = processor_reading(settings, self._name, PROCESSORS[-1], channels)
        return PretrainedConfig(claim, classes, tuple(faults))

    def processed(self, images: Tensor) -> Tensor | None:
        """What the repository's image processor makes of images of the network's own size.

        Args:
            images: uint8, shape ``(N, 3, H, W)``.

        Returns:
            What the network is given, of the same shape; None where there is no processor, or it
            makes something else.
        """
        processor = open_processor(self._name)
        if processor is None:
            return None
        pictures = images.permute(0, 2, 3, 1).numpy()
        try:
            pixels = run_processor(processor, pictures, do_resize=False, do_center_crop=False)
        except Exception:  # noqa: BLE001 - whatever a stranger's processor raises means no
            return None
        whole = pixels.shape == tuple(images.shape)
        return torch.from_numpy(pixels).float() if whole else None

    def of_timm(self) -> bool:
        """Whether timm wrote the repository, which then reads it."""
        with _fetched(self._name):
            kind = self._transformers.PretrainedConfig
            said, _ = kind.get_config_dict(self._name, local_files_only=self._local)
        return said.get("model_type") == "timm_wrapper"

    def _config(self) -> Any:
        with _fetched(self._name):
            # Said, since transformers would ask whoever sits at the terminal.
            return self._transformers.AutoConfig.from_pretrained(
                self._name, trust_remote_code=False, local_files_only=self._local
            )


@contextmanager
def _fetched(name: str) -> Iterator[None]:
    """Say in one sentence what transformers could not fetch."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise WorkFailed(
            f"hf/{name} must be a folder or a repository of an image classifier that "
            f"can be fetched, got: {first_line(error)}. Check the name and the network."
        ) from None
