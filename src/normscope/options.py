"""How an option is declared: once, in a dataclass, for Python callers and the command line."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from normscope.arguments import named_for
from normscope.keywords import check_types, fitted
from normscope.system_errors import in_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Keywords = ParamSpec("Keywords")
Options = TypeVar("Options")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Option:
    """What is said of an option beside its name, type and default.

    Attributes:
        help: What it does, in a sentence or two.
        panel: The part of a command's help that it stands in; None for the first.
        flag: How the command line writes it, where that is not its name.
        metavar: What stands for its value in a command's help.
        kept: Where a ``TrialSpec`` keeps it, such as ``"recipe.padding"``; None where it is
            resolved into something else.
        argument: Whether the command line takes it by its place.
        python: What it says to Python callers, where that is something else.
    """

    help: str
    panel: str | None = None
    flag: str | None = None
    metavar: str | None = None
    kept: str | None = None
    argument: bool = False
    python: str | None = None


TRIAL, IMAGES, MACHINE = "Trial", "Images", "Machine"
"""Parts of a command's help."""

MODEL = Option(
    "lenet, lenet-bn, resnet20, a torchvision classification model, timm/NAME, hf/NAME, "
    "package.module:factory, or a path: .onnx, .pt2, TorchScript, .keras or a Hugging Face or timm "
    "folder.",
    metavar="MODEL",
    argument=True,
    python="A torch.nn.Module, or any callable from a batch (N, C, H, W) to outputs (N, classes). "
    "Or a name: lenet, lenet-bn, resnet20, a torchvision classification model, timm/NAME, hf/NAME "
    "or package.module:factory. Or the path of an .onnx, .pt2, TorchScript or .keras file, or of a "
    "Hugging Face or timm folder.",
)
TRANSFORMED = (
    "floats, or bytes that are normalized later: (C, H, W) or (H, W, C), of torch or NumPy, alone, "
    "as a batch of one, or in a mapping or tuple"
)
"""What a transform under test makes of an image."""
EXPECTED = Option(
    "What the model expects: MEAN/STD, imagenet, none, half, clip, mnist, or model for what its "
    "library states."
)
WEIGHTS = Option(
    "A file of weights (safetensors, state dict or checkpoint), or default for the library's own.",
    panel=TRIAL,
    metavar="FILE|default",
    kept="options.weights",
)
RESIZE = Option(
    "Resize the shorter side to this many pixels, or to HEIGHTxWIDTH, as torchvision does.",
    panel=IMAGES,
    metavar="PIXELS|HxW",
    kept="images.resize",
    python="Resize the shorter side to this many pixels, or to (height, width), as torchvision "
    "does.",
)
CROP = Option("Then keep the central square of this many pixels.", panel=IMAGES, kept="images.crop")
EXPECTED_CHANNELS = Option("rgb or grey; by default what the model expects.", panel=IMAGES)
CHANNELS = Option("Treat all images as rgb or grey.", panel=IMAGES, kept="images.channels")
SCALE = Option(
    "What to divide pixels by to get [0, 1]; by default the type's maximum, 1 for floats.",
    panel=IMAGES,
    kept="images.scale",
)
SELECT = Option(
    "Take only images whose name matches this pattern, such as '*_rgb.png' or 'images/*', or "
    "has this WebDataset key, such as jpg: x.jpg and not x.seg.jpg.",
    panel=IMAGES,
    metavar="GLOB|KEY",
    kept="images.select",
)
BANDS = Option(
    "Put files whose paths differ by these names alone together as the channels of one image, "
    "such as B02,B03,B04.",
    panel=IMAGES,
    metavar="NAME,...",
    kept="images.bands",
)
RAY = Option(
    "Run on the Ray cluster at this address, such as auto.", panel=MACHINE, metavar="ADDRESS"
)
DEVICE = Option("auto, cpu, cuda or mps.", panel=MACHINE, kept="device")
ROOT = Option(
    "Folder of the named data sets; otherwise $NORMSCOPE_DATA, otherwise they are downloaded to "
    "the user cache.",
    panel=MACHINE,
)
STRICT = Option(
    "Exit 1 if an image cannot be read, instead of skipping it.",
    python="Raise WorkFailed if an image cannot be read, instead of skipping it.",
)


def option(default: Any, said: str | Option, **more: Any) -> Any:
    """Declare an option as a field of a dataclass.

    Args:
        default: Its value where nothing is said; ``MISSING`` where something must be.
        said: What it does, in a sentence or two; or all that is said of an option that several
            commands have.
        more: The other attributes of ``Option``.

    Returns:
        The field.
    """
    whole = said if isinstance(said, Option) else Option(said, **more)
    return dataclasses.field(default=default, metadata={"option": whole})


def callback(help: str) -> Any:  # noqa: A002 - likewise
    """Declare what Python callers alone may give: a function to be called.

    Args:
        help: When it is called, and with what.

    Returns:
        The field, None by default.
    """
    return dataclasses.field(default=None, metadata={"help": help})


def declared(kind: type) -> Iterator[tuple[dataclasses.Field[Any], Option]]:
    """The options that a dataclass declares: its own first, then those that it inherits.

    Args:
        kind: A dataclass.

    Yields:
        Each field with what is said of it.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for home in kind.__mro__:
        for name in inspect.get_annotations(home):
            field = fields.pop(name, None)
            if field is not None and "option" in field.metadata:
                yield field, field.metadata["option"]


def chosen(options: Any, part: str = "") -> dict[str, Any]:
    """What a user chooses of a trial, or of one part of it.

    Args:
        options: Of a dataclass with options.
        part: A field of ``TrialSpec`` that is itself a dataclass, such as ``"images"``.

    Returns:
        Values by the names of the part's own fields.
    """
    start = part and f"{part}."
    return {
        said.kept.removeprefix(start): getattr(options, field.name)
        for field, said in declared(type(options))
        if said.kept and said.kept.startswith(start) and "." not in said.kept.removeprefix(start)
    }


def by_keywords(
    kind: Callable[Keywords, Options],
) -> Callable[[Callable[[Options], Result]], Callable[Keywords, Result]]:
    """Let a function of a dataclass be called with the dataclass's fields as keywords.

    Args:
        kind: The dataclass.

    Returns:
        A decorator, which also adds the fields to the function's signature and docstring.
    """
    types = {field.name: field.type for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]

    signature = inspect.signature(kind)

    def decorate(function: Callable[[Options], Result]) -> Callable[Keywords, Result]:
        def call(*args: Keywords.args, **keywords: Keywords.kwargs) -> Result:
            try:
                given = signature.bind(*args, **keywords).arguments
            except TypeError as error:
                advice = _advice(keywords, types)
                raise TypeError(f"{function.__name__}() {error}{advice}") from None
            given = {name: fitted(types[name], value) for name, value in given.items()}
            check_types(types, given)
            with named_for(types), in_sentences(writes="out" in types):
                return function(cast("Any", kind)(**given))

        for name in ("__name__", "__qualname__", "__module__"):
            setattr(call, name, getattr(function, name))
        call.__doc__ = _documented(function, kind)
        returns = inspect.signature(function).return_annotation
        vars(call)["__signature__"] = signature.replace(return_annotation=returns)
        return call

    return decorate


def _advice(keywords: Iterable[str], known: Iterable[str]) -> str:
    unknown = next((name for name in keywords if name not in known), "")
    nearest = difflib.get_close_matches(unknown, known, n=1)
    return f". Did you mean '{nearest[0]}'?" if nearest else ""


def _documented(function: Callable[..., Any], kind: Any) -> str:
    """The function's docstring with every option in front of what it returns."""
    lines = []
    for field in dataclasses.fields(kind):
        said = field.metadata.get("option") or field.metadata.get("help")
        text = (said.python or said.help) if isinstance(said, Option) else said
        if isinstance(said, Option) and field.default is True:
            text = f"False: {text}"
        text = textwrap.fill(f"{field.name}: {text}", 92, subsequent_indent="    ")
        lines.append(textwrap.indent(text, "    "))
    before, _, after = inspect.cleandoc(function.__doc__ or "").partition("Returns:\n")
    return "\n".join([f"{before}Args:", *lines, "", f"Returns:\n{after}"])
