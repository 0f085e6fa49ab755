"""One trial's full specification, as plain data: the same specification gives the same result."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from normscope.errors import NormscopeError, UnknownName
from normscope.images.transform import ImageTransform
from normscope.init_scale import InitScale
from normscope.machine.device import DEVICES, PRECISIONS
from normscope.models.options import ModelOptions
from normscope.normalization import Normalization
from normscope.trials.plain_data import converter, reading
from normscope.trials.recipe import Recipe
from normscope.trials.trainer import TRAINERS
from normscope.wording import check_at_least

LARGEST_SEED = 2**63 - 1
MOST_THREADS = 1024
"""More than any machine has cores for; the system may end a process that asks for a million."""


@dataclass(frozen=True)
class TrialSpec:
    """One model, one normalization, one initialization scale, one seed, one recipe.

    Attributes:
        source: The images, as the user named them.
        fingerprint: Digest of their pixels and labels.
        train_images: How many training images are used; None for all.
        model: A model's name or ``package.module:factory``.
        recipe: How it is trained.
        normalization: What its images are normalized with.
        init_scale: Factors on the first layer's initialization.
        seed: Fixes the initialization, the order of the images, their augmentation and the dropout.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        threads: CPU threads; sums of floats depend on their number, so it is part of the trial.
        precision: ``"fp32"`` or ``"bf16"``.
        trainer: ``"fast"``, ``"plain"`` or ``"compiled"``; the last digits depend on it.
        options: The model's weights, and what is changed in it.
        images: What is done to each image.
        half_width: A frozen network is tested until its accuracy is known this well; None tests it
            on every image.
        survival: Whether it is trained only until it has left chance for good, is proved dead, or
            its epochs end.

    Raises:
        UnknownName: If the device, the precision or the trainer is.
        NormscopeError: If the seed or the number of threads is out of range, or a survival trial
            trains nothing.
    """

    source: str
    fingerprint: str
    train_images: int | None
    model: str
    recipe: Recipe
    normalization: Normalization
    init_scale: InitScale
    seed: int
    device: str
    threads: int
    precision: str
    trainer: str = "fast"
    options: ModelOptions = field(default_factory=ModelOptions)
    images: ImageTransform = field(default_factory=ImageTransform)
    half_width: float | None = None
    survival: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise NormscopeError(
                f"seed must lie between 0 and {LARGEST_SEED}, got {self.seed}. "
                "Give a number in that range."
            )
        check_at_least(1, self.threads, "threads")
        if self.threads > MOST_THREADS:
            raise NormscopeError(
                f"threads must be at most {MOST_THREADS}, got {self.threads}. "
                "Take as many as the machine has cores."
            )
        for name, kind, known in (
            ("device", self.device, DEVICES),
            ("precision", self.precision, PRECISIONS),
            ("trainer", self.trainer, TRAINERS),
        ):
            if kind not in known:
                raise UnknownName(name, kind, known)
        check_half_width(self.half_width, self.recipe)
        if self.survival and not self.recipe.trains:
            raise NormscopeError(
                "a survival trial must be used with a recipe that trains, got "
                f"{self.recipe.name}. Choose another --recipe."
            )

    def to_json(self) -> dict[str, Any]:
        """Every field as JSON has it; later ones that say nothing are left out.

        Returns:
            A mapping that ``from_json`` reads back.
        """
        return converter.unstructure(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> TrialSpec:
        """Read what ``to_json`` gave, from TOML too, which has no None."""
        with reading():
            return converter.structure(fields, cls)

    def key(self) -> str:
        """A text that equal specifications share and different ones do not."""
        return json.dumps(self.to_json(), sort_keys=True)


_structure = make_dict_structure_fn(TrialSpec, converter, _cattrs_forbid_extra_keys=True)
converter.register_structure_hook(
    TrialSpec, lambda fields, kind: _structure({"train_images": None, **fields}, kind)
)
converter.register_unstructure_hook(
    TrialSpec,
    make_dict_unstructure_fn(
        TrialSpec,
        converter,
        _cattrs_omit_if_default=True,
        trainer=override(omit_if_default=False),
    ),
)


def check_half_width(half_width: float | None, recipe: Recipe) -> None:
    """Refuse a half-width that means nothing.

    Args:
        half_width: In units of accuracy, or None.
        recipe: How models are trained, or not.

    Raises:
        NormscopeError: If it is out of range, or anything is trained.
    """
    if half_width is None:
        return
    if recipe.trains:
        raise NormscopeError(
            f"--half-width must be used with --recipe frozen, got {recipe.name}. Leave it out."
        )
    if not 0 < half_width < 0.5:
        raise NormscopeError(
            f"--half-width must lie between 0 and 0.5, got {half_width}. "
            "Give a share of the images, such as 0.01."
        )
