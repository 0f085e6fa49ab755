"""What normscope raises when it cannot go on, and the exit status each kind leads to."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


LONGEST = 4000
"""Characters of an error: a stranger's file can hold names of any length."""

LONGEST_END = 500
"""Of its end, which says what to do."""


def printable(text: str) -> str:
    r"""A text with names in it that no terminal will act on and any can encode.

    Args:
        text: Perhaps with line breaks, escape sequences or bytes that are no UTF-8.

    Returns:
        The text with these written as Python would.

    Example:
        >>> printable("a" + chr(10))
        'a\\n'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shortened(text: str) -> str:
    """A text without its middle, if it is longer than ``LONGEST``.

    Args:
        text: Perhaps with names in it that fill pages.

    Returns:
        Its start and its end.

    Example:
        >>> len(shortened("name " * 10_000))
        4000
    """
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - LONGEST_END - 5]} ... {text[-LONGEST_END:]}"


class PrintableError(Exception):
    """An error whose text is printable and bounded, whatever a file brought into it."""

    def __init__(self, text: str = "") -> None:
        super().__init__(shortened(printable(text)))


class NormscopeError(PrintableError):
    """The call was wrong: a sentence that says what must hold, what was met and what to do.

    So it is where a file that was given is none that can be used, whenever that is noticed: absent,
    of another format, cut or damaged, or without a readable image.

    Attributes:
        exit_status: What the command line exits with (2 for a wrong call, 1 for failed work).
    """

    exit_status = 2


EXTRAS = {
    "OpenEXR": "exr",
    "astropy": "arrays",
    "av": "video",
    "cmaes": "train",
    "fsspec": "remote",
    "google_crc32c": "tables",
    "h5py": "arrays",
    "imagecodecs": "tiff",
    "keras": "keras",
    "nibabel": "medical",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "pillow_heif": "heic",
    "psycopg": "postgresql",
    "pyarrow": "tables",
    "pydicom": "medical",
    "pytorch_lightning": "lightning",
    "ray": "ray",
    "safetensors": "train",
    "tifffile": "tiff",
    "timm": "timm",
    "torch": "train",
    "torchvision": "train",
    "transformers": "hf",
    "zarr": "arrays",
}
"""Which extra brings a package that the light core does without."""


class MissingExtra(NormscopeError):
    """Something was asked for that the light core leaves to an extra.

    Args:
        module: The package that is not installed, a name in ``EXTRAS``.
        what: What needs it, such as ``"JPEG XL images"``.

    Example:
        >>> print(MissingExtra("torch"))
        torch must be installed for that, got none. Run: pip install 'normscope[train]'
    """

    def __init__(self, module: str, what: str = "that") -> None:
        super().__init__(
            f"{module} must be installed for {what}, got none. "
            f"Run: pip install 'normscope[{EXTRAS[module]}]'"
        )

    def __reduce__(self) -> tuple[type[NormscopeError], tuple[str]]:
        return NormscopeError, (str(self),)


class ChannelMismatch(NormscopeError):
    """A normalization and the images it is used on have different numbers of channels."""


class UnknownName(NormscopeError):
    """A name that is not known, with the nearest known name suggested.

    Args:
        kind: What the name should have named, such as ``"model"``.
        name: The name that was met.
        known: The names that exist.
        also: What else would have been accepted, such as ``"package.module:factory"``.
        similar: Names too many to list, of which the nearest is suggested all the same.

    Example:
        >>> print(UnknownName("model", "lnet", ["lenet"]))
        model must be one of lenet, got 'lnet'. Did you mean 'lenet'?
    """

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        also: str = "",
        similar: Iterable[str] = (),
    ) -> None:
        names = list(known)
        nearest = difflib.get_close_matches(name, [*names, *similar], n=1, cutoff=0.5)
        alternative = f" or {also}" if also and names else also
        advice = f"Did you mean '{nearest[0]}'?" if nearest else "Choose one of these."
        super().__init__(
            f"{kind} must be one of {', '.join(names)}{alternative}, got '{name}'. {advice}"
        )

    def __reduce__(self) -> tuple[type[NormscopeError], tuple[str]]:
        # Its sentence is what crosses from a worker process, not the parts it was made of.
        return NormscopeError, (str(self),)


class SpecificationDiffers(NormscopeError):
    """A study's folder holds a study of another specification."""


class StudyBusy(NormscopeError):
    """Another process works on the study's folder."""


class WorkFailed(NormscopeError):
    """The call was right and the work could not be done: a network, a disk, a node, a check."""

    exit_status = 1
