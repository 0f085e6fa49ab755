"""``normscope fold``: a model that takes raw pixels."""

from __future__ import annotations

from pathlib import Path

from normscope.cli import options
from normscope.cli.output import show, write_json
from normscope.deploy.options import FoldOptions
from normscope.errors import NormscopeError

EXAMPLE = "Example: normscope fold squeezenet1_1 --weights FILE --norm imagenet -o raw.onnx"


@options.expanded
def fold(chosen: FoldOptions, *, json: options.Json = None) -> None:
    """Ship a model that takes raw pixels: fold its normalization into its first layer."""
    from normscope.deploy.shipping import ship

    out = chosen.out
    written = [out, out.with_suffix(".json")] if out.suffix == ".safetensors" else [out]
    if json is not None and Path(json).absolute() in [file.absolute() for file in written]:
        raise NormscopeError(
            f"--json must be another file than those of --out, got {json} with --out {out}. "
            "Choose another --json."
        )
    shipped = ship(chosen)
    show(
        f"{shipped.out} {shipped.folded.in_words}",
        *shipped.notes,
        f"Largest difference in an output: {shipped.compared}",
        *_opened(shipped.out, chosen.model),
        json_target=json,
    )
    write_json(shipped.to_json(), json)


def _opened(out: Path, model: str) -> list[str]:
    """How the file is opened, where its format does not say that."""
    if out.suffix == ".pt2":
        return [f'Open it with torch.export.load("{out}").module().']
    if out.suffix != ".safetensors":
        return []
    # What a file names is not imported unless the caller names it too.
    named = f', model="{model}"' if ":" in model else ""
    return [f'Open it with normscope.load_folded("{out}"{named}); {out.stem}.json belongs to it.']
