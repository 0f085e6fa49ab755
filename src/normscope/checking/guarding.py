"""Whether the first batches of a training are what a normalization gives, told from their range.

The darkest and the brightest pixels of many images are 0 and 1, so that the ends of the values that
a network is given tell what was done to them, whatever augmentation is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from normscope.auditing.batch_images import images_of, sampled, shape_of
from normscope.auditing.explaining import mistakes_of
from normscope.models.expected import check_of_unit
from normscope.models.preprocessing.dark import used_by_constants
from normscope.normalization import Normalization
from normscope.wording import check_at_least, first_line, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from normscope.auditing.batch_images import Place, Sampled

ENDS = (0.002, 0.998)
"""Quantiles that stand for the darkest and brightest pixels."""

MANY = (0.05, 0.95)
"""If even these lie out of range, more is wrong than a little noise of an augmentation."""

FITS = 0.1
"""How far the ends may lie from 0 and 1 for a normalization that fits."""

DOES_NOT = 0.2
"""How far at least for one that does not, where another fits: images of low contrast do not reach
the ends."""

SPAN, OFF = 1.5, 1.0
"""Between their ends images have at least so many stds, and their mean is at most so many off."""

AS_GOOD = 0.01

LITTLE = 0.3
SEVERAL = 3
"""Of fewer images that use more of [0, 1] than ``LITTLE``, nobody can tell whether their contrast
is low."""

TWICE = "twice"
"""What a mistake is called that ends so."""
COLOURED = 0.03
"""Red and blue of a normalization whose means are nearer say nothing of the order."""

FEW = 8
"""One of so many pixels of a sample is kept."""

SURE = 4.0
"""Standard errors by which the means of red and blue must be in the other order."""

VIVID = 0.2
MORE_VIVID = 0.03
"""By so much more of the pixels must be blue by ``VIVID`` than red: images of the earth from above
are bluer than photographs, but hardly any of their pixels are blue."""

FEWEST_IMAGES = 16

REVERSED = "images are BGR for RGB"

LATER = ". If the bytes are normalized later, watch what that gives"


class NormalizationWarning(UserWarning):
    """What is handed to a network is not what its normalization gives."""


class Guard:
    """Looks at batches until it has seen enough to say what is wrong with them.

    Args:
        norm: What they should be normalized with: a normalization, its text or a preset's name.
        batches: How many it looks at.

    Raises:
        NormscopeError: If the normalization cannot be read or is of pixels of 0..255, or no batch
            is to be looked at.
    """

    def __init__(self, norm: str | Normalization, batches: int = 3) -> None:
        check_at_least(1, batches, "batches")
        given = norm if isinstance(norm, Normalization) else Normalization.parse(norm)
        self.normalization = check_of_unit(given, "norm")
        self._name = norm if isinstance(norm, str) else f"{norm:.4g}"
        self._left = self._asked = batches
        self._ended = False
        self._seen: dict[Place, _Seen] = {}

    @property
    def done(self) -> bool:
        """Whether it has seen enough."""
        return self._left <= 0

    def look(self, batch: Any) -> str | None:
        """Take in a batch.

        Args:
            batch: As a loader gives it: images alone, in tuples or lists, or under any key.

        Returns:
            A sentence on what is wrong, once enough is seen; None before, and where nothing is.
        """
        if self.done:
            return None
        self._left -= 1
        return self._without_errors(self._look, batch)

    def _without_errors(self, step: Callable[..., str | None], *given: Any) -> str | None:
        try:
            return step(*given)
        except Exception as error:  # noqa: BLE001 - whatever a batch is, a training goes on
            return self._cannot_tell(f"{type(error).__name__}, {first_line(error)}")

    def _look(self, batch: Any) -> str | None:
        channels = self.normalization.channels
        found = images_of(batch, channels)
        if not found and (shape := shape_of(batch)) is not None:
            return self._end(f"their shape is {shape}, and it has {channels} channels")
        for count, (place, images) in enumerate(found.items()):
            pixels = sampled(images)
            if pixels.finite:
                # Batches of grey and of colour may take turns.
                self._seen.setdefault((*place, len(pixels.pixels)), _Seen()).add(pixels)
            elif count == 0:  # such as depths behind the images, which may be unknown
                return self._end("they hold nan or inf")
        return self.finish() if self.done else None

    def finish(self) -> str | None:
        """Judge by what was seen, where no more comes, as at the end of a short loader.

        Returns:
            As ``look``; None where it has said so already.
        """
        if self._ended or self._left == self._asked:
            return None
        if not self._seen:
            return self._cannot_tell(
                "they hold no tensor of images (N, C, H, W). Watch a loader that gives one"
            )
        return self._without_errors(self._of_all)

    def _of_all(self) -> str | None:
        judged = [self._judged(seen) for seen in self._seen.values()]
        # Where one of several is as it should be, the others are something else, such as targets.
        return self._end(None if None in judged else judged[0])

    def _cannot_tell(self, why: str) -> str:
        self._end(None)
        return f"Whether the first batches are what {self._name} gives cannot be told: {why}."

    def _end(self, found: str | None) -> str | None:
        self._left, self._ended = 0, True
        if found is None:
            return None
        are = "may not be" if found.startswith(REVERSED) else "are not"
        return f"The first batches {are} what {self._name} gives: {found}."

    def _judged(self, seen: _Seen) -> str | None:
        low, high = np.min(seen.low, axis=0), np.max(seen.high, axis=0)
        right = self.normalization.for_channels(len(low))
        mean, std = np.asarray(right.mean), np.asarray(right.std)
        misfit = _misfit(low, high, mean, std)
        inside = (low * std + mean).min() >= -FITS and (high * std + mean).max() <= 1 + FITS
        dark = inside and used_by_constants(right).min() < 1
        if misfit <= FITS or (dark and seen.of_dark(low, high)):
            return seen.reversed(right)
        used = float(((high - low) * std).max())
        if not inside or used < LITTLE or len(np.concatenate(seen.means)) >= SEVERAL:
            found = _named(low, high, right)
            if found and misfit > DOES_NOT:
                return f"{found}{LATER}" if seen.of_bytes else found
        raw = np.mean(seen.many, axis=0) * std + mean
        if raw.min() >= -FITS and raw.max() <= 1 + FITS:
            return None
        allowed = (-mean / std).min(), ((1 - mean) / std).max()
        least, most, lowest, highest = (
            f"{value + 0.0:.3g}" if abs(value) < 1000 else f"{value:.0f}"
            for value in (low.min(), high.max(), *allowed)
        )
        return f"they reach from {least} to {most}, and it can only give {lowest} to {highest}"


@dataclass
class _Seen:
    """What was seen of the images at one place of the batches, an array for each batch."""

    low: list[np.ndarray] = field(default_factory=list)
    high: list[np.ndarray] = field(default_factory=list)
    many: list[np.ndarray] = field(default_factory=list)
    few: list[np.ndarray] = field(default_factory=list)
    means: list[np.ndarray] = field(default_factory=list)
    of_bytes: bool = False

    def add(self, images: Sampled) -> None:
        low, high, *many = np.quantile(images.pixels, (*ENDS, *MANY), axis=1)
        self.low.append(low)
        self.high.append(high)
        self.many.append(np.asarray(many))
        self.few.append(images.pixels[:, ::FEW])
        self.means.append(images.means)
        self.of_bytes = images.of_bytes

    def of_dark(self, low: np.ndarray, high: np.ndarray) -> bool:
        """Whether values are as of images that are dark, whose brightest pixels are far below 1."""
        centre = np.concatenate(self.means).mean(axis=0)
        return bool((high - low).min() >= SPAN and np.abs(centre).max() <= OFF)

    def reversed(self, right: Normalization) -> str | None:
        """Whether red and blue have changed places, by which of them is brighter."""
        mean, std = np.asarray(right.mean), np.asarray(right.std)
        if len(mean) != 3 or abs(mean[0] - mean[2]) < COLOURED:
            return None
        sign = np.sign(mean[0] - mean[2])
        red, _, blue = (np.concatenate(self.means) * std + mean).T
        redder = (red - blue) * sign
        if len(redder) < FEWEST_IMAGES:
            return None
        error = redder.std(ddof=1) / np.sqrt(len(redder))
        red, _, blue = np.concatenate(self.few, axis=1) * std[:, None] + mean[:, None]
        vivid = (red - blue) * sign
        more = (vivid < -VIVID).mean() - (vivid > VIVID).mean()
        if redder.mean() + SURE * error >= -abs(mean[0] - mean[2]) / 4 or more < MORE_VIVID:
            return None
        colour = "blue, as under water" if sign > 0 else "red"
        return f"{REVERSED}, unless they are by nature far more {colour}"


def _named(low: np.ndarray, high: np.ndarray, right: Normalization) -> str | None:
    """The mistakes after which the darkest and brightest pixels lie as they do."""
    fitting: list[tuple[float, str]] = []
    twice, normalized_twice = np.inf, ""
    for name, description, values in mistakes_of(right):
        scale = np.diag(values.matrix)
        if name.startswith("bgr") or not scale.all():
            continue
        misfit = _misfit(low, high, -values.shift / scale, 1 / scale)
        # Of a pipeline "it is", of batches "they are".
        said = re.sub("^it is", "they are", description)
        if name == TWICE:
            twice, normalized_twice = misfit, said
        elif name.endswith(f", {TWICE}") and twice <= DOES_NOT:
            said = normalized_twice  # with two kinds of constants is rarer
        if misfit <= FITS:
            fitting.append((misfit, said))
    if not fitting:
        return None
    best = min(fitting)[0]
    alike = [said for misfit, said in sorted(fitting) if misfit <= best + AS_GOOD]
    return listed(list(dict.fromkeys(alike)), "or")


def _misfit(low: np.ndarray, high: np.ndarray, mean: np.ndarray, std: np.ndarray) -> float:
    """How far the darkest and brightest pixels lie from 0 and 1 under a normalization."""
    ends = np.stack([low * std + mean, high * std + mean])
    return float(max(np.abs(ends.min(axis=0)).max(), np.abs(ends.max(axis=0) - 1).max()))
