"""The classification models of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normscope.errors import WorkFailed
from normscope.machine.without_compiler import import_torchvision
from normscope.models.class_names import IMAGENET_OUTPUTS
from normscope.models.libraries.protocol import PretrainedConfig
from normscope.models.preprocessing.claim import RGB, Claim
from normscope.normalization import Normalization
from normscope.patience import patient
from normscope.wording import first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""What the names of auxiliary heads start with, which training alone uses."""


def torchvision_names() -> list[str]:
    """Every classification model by name, such as ``"resnet18"``."""
    import_torchvision()
    import torchvision

    return torchvision.models.list_models(module=torchvision.models)


class TorchvisionModel:
    """A classification model of torchvision; its images have three channels.

    Args:
        name: In ``torchvision_names()``.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def build(self, channels: int, classes: int, image_size: tuple[int, int]) -> nn.Module:  # noqa: ARG002
        """A freshly initialized network."""
        from torchvision.models import get_model

        # These two also train with auxiliary outputs, which no recipe here uses.
        choices = {"aux_logits": False, "init_weights": False} if self._with_auxiliary else {}
        return get_model(self._name, weights=None, num_classes=classes, **choices)

    def for_weights(self, model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Make a network what torchvision makes of it for weights, and leave out what it leaves.

        GoogLeNet and Inception are published with auxiliary heads, which are dropped, and were
        trained on images normalized by ``half``, so that they first turn ImageNet's normalization
        into that one (``transform_input``). A file of as many outputs is taken to be theirs.

        Args:
            model: Built for the weights' outputs; changed in place.
            weights: Tensors by name.

        Returns:
            The weights without auxiliary heads.
        """
        if not self._with_auxiliary:
            return weights
        left = {name: t for name, t in weights.items() if not name.startswith(AUXILIARY)}
        head = left.get("fc.bias")
        vars(model)["transform_input"] = head is not None and len(head) == IMAGENET_OUTPUTS
        return left

    @property
    def _with_auxiliary(self) -> bool:
        return self._name in {"googlenet", "inception_v3"}

    def pretrained(self) -> nn.Module:
        """The network with torchvision's default weights, from its cache or downloaded to it.

        Returns:
            The network, on the CPU, with ImageNet's 1,000 outputs.

        Raises:
            WorkFailed: If they cannot be fetched.
        """
        from torchvision.models import get_model

        try:
            with patient():
                return get_model(self._name, weights="DEFAULT", progress=False)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "reason", error)  # of what urllib could not open
            said = getattr(reason, "strerror", None) or first_line(reason)
            raise WorkFailed(
                f"the default weights of {self._name} must be in torch's cache or downloadable, "
                f"got: {said}. Fetch them by hand and pass the file to --weights."
            ) from None

    def published(self) -> PretrainedConfig | None:
        """What torchvision says of its default weights."""
        from torchvision.models import get_model_weights

        every: Any = get_model_weights(self._name)
        weights = every.DEFAULT
        preset = weights.transforms()
        claim = Claim(
            f"torchvision's {weights}",
            Normalization(preset.mean, preset.std),
            RGB,
            resize=preset.resize_size[0],
            crop=preset.crop_size[0],
            interpolation=preset.interpolation.value,
        )
        # A file's name ends in what its digest begins with, which torch's own download checks.
        digests = tuple(each.url.rpartition("-")[2].removesuffix(".pth") for each in every)
        return PretrainedConfig(claim, tuple(weights.meta["categories"]), digests=digests)
