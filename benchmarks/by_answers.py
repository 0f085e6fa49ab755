"""How often answers alone tell a normalization, and what each of their signs counts.

Run ``python -m benchmarks.by_answers CIFAR --folder OUT``, where CIFAR is a folder or archive of
CIFAR-10's images with ``train/`` and ``test/``; MNIST is found under ``$NORMSCOPE_DATA``. Networks
without BatchNorm are trained (``answering_networks.py``), the signs in their answers measured on
images that they have not seen, once with classes as frequent as in the training and once with
others; all is kept in OUT, so that an interrupted run goes on and a finished one is only judged
again. Every network is judged by weights learned from the others alone (``--folds``), or by the
package's own (``--shipped``), for networks of seeds that these have not seen (``--seeds``).
``--write`` learns from all and writes the weights into the package.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import torch
from benchmarks.answering_networks import (
    CLASSES,
    Trained,
    Training,
    draw,
    network,
    prepared_images,
    sources,
    train,
    without_batchnorm,
)
from benchmarks.judging_answers import judged, table, told

import normscope.detection
from normscope.detection.answer_model import AnswerModel, Example, learn
from normscope.detection.answer_weights import OF_ANSWERS, OF_ANSWERS_AND_LAYERS
from normscope.detection.by_answers import measure
from normscope.detection.candidates import Candidate, candidates
from normscope.detection.usage import log_usage
from normscope.normalization import Normalization
from normscope.writing import write_text

if TYPE_CHECKING:
    from normscope.images.decoded import LabelledImages

RIDGE = 2.0
DOUBT = 1.0
"""Added to the log odds of none of them: some networks are learned from as if theirs had a name."""

ENOUGH = 0.7
"""Probabilities from 0.5 to this are not claimed: fewer claims, and more of them right."""

OWN, OWN_SHARE = "own", 0.1
"""As common as a known normalization, for a network of constants that have no name."""

SKEWED = 128
SHIPPED = {True: OF_ANSWERS_AND_LAYERS, False: OF_ANSWERS}
WEIGHTS_FILE = Path(normscope.detection.__file__).parent / "answer_weights.py"


def trained(seed: int, images: dict[str, LabelledImages], folder: Path) -> Trained | None:
    """The network of a seed, from the folder if it was trained before.

    Args:
        seed: Of the training.
        images: By source.
        folder: Where networks are kept.

    Returns:
        The network, or None if it never learns.
    """
    file, training = folder / f"{seed}.pt", draw(seed)
    if file.exists():
        kept = torch.load(file)
        if kept["state"] is None:
            return None
        model = without_batchnorm(network(training))
        model.load_state_dict(kept["state"])
        unseen = prepared_images(training, images[training.source])[1]
        return Trained(training, model.eval(), kept["accuracy"], unseen)
    found = train(training, images[training.source])
    state, accuracy = (None, 0.0) if found is None else (found.model.state_dict(), found.accuracy)
    torch.save({"state": state, "accuracy": accuracy}, file)
    return found


def measured(found: Trained) -> dict:
    """The signs in a network's answers.

    Args:
        found: The network and images that it has not seen.

    Returns:
        What was true and what was measured, for JSON.
    """
    training = found.training
    pixels = np.array(found.images.pixels)
    g = np.random.default_rng([training.seed, 3])
    often = g.dirichlet(np.full(CLASSES, 2.0))[found.images.labels]
    skewed = pixels[g.choice(len(pixels), SKEWED, replace=False, p=often / often.sum())]
    known = candidates(pixels.shape[1])
    own = Candidate(OWN, Normalization(training.mean, training.std), training.order, usual=True)
    signs = {
        "even": _signs(found, pixels, known),
        "skewed": _signs(found, skewed, known),
        OWN: None if training.name else _signs(found, pixels, [*known, own]),
    }
    return found.truth | {"signs": signs}


def _signs(found: Trained, pixels: np.ndarray, asked: list[Candidate]) -> dict:
    signs = measure(found.model, pixels, asked)
    return {
        "contenders": [asked.index(c) for c in signs.contenders],
        "names": [c.name for c in signs.contenders],
        "answers": signs.answers.tolist(),
        "layers": None if signs.layers is None else signs.layers.tolist(),
    }


def example(result: dict, images: str, *, layers: bool) -> Example:
    """A network as the model sees it.

    Args:
        result: From ``measured``.
        images: ``even``, ``skewed`` or ``own``.
        layers: Whether its layers could be watched.

    Returns:
        The example.
    """
    signs = result["signs"][images]
    known = candidates(len(result["mean"]))
    priors = np.append(log_usage(known), np.log(OWN_SHARE))
    parts = [signs["answers"], signs["layers"]] if layers else [signs["answers"]]
    right = OWN if images == OWN else result["name"]
    names = signs["names"]
    return Example(
        np.column_stack(parts),
        priors[signs["contenders"]],
        names.index(right) if right in names else len(names),
    )


def examples(results: list[dict], *, layers: bool) -> list[Example]:
    """All that is learned from: networks on both kinds of images, and with their own constants."""
    return [
        example(result, images, layers=layers)
        for result in results
        for images, signs in result["signs"].items()
        if signs is not None
    ]


def learned(results: list[dict], *, layers: bool) -> AnswerModel:
    """The weights that some networks teach.

    Args:
        results: Of the networks.
        layers: Whether their layers could be watched.

    Returns:
        The model, more doubtful than they say.
    """
    model = learn(examples(results, layers=layers), RIDGE)
    return replace(model, none=model.none + DOUBT, enough=ENOUGH)


def taught(
    results: list[dict], folds: int, images: str, *, layers: bool, shipped: bool
) -> list[dict]:
    """Each network by weights that were learned from others.

    Args:
        results: Of all networks.
        folds: Into how many parts they are divided.
        images: ``even`` or ``skewed``.
        layers: Whether layers could be watched.
        shipped: Whether to take the package's weights instead.

    Returns:
        What they make of each, as ``judged`` has it.
    """
    part = np.random.default_rng(0).permutation(len(results)) % folds
    answers = []
    for fold in range(folds):
        others = [r for r, p in zip(results, part, strict=True) if p != fold]
        model = SHIPPED[layers] if shipped else learned(others, layers=layers)
        answers += [
            judged(result, example(result, images, layers=layers), images, model)
            for result, p in zip(results, part, strict=True)
            if p == fold
        ]
    return sorted(answers, key=lambda answer: answer["seed"])


def weights_source(models: dict[str, AnswerModel], networks: int, asked: str, found: str) -> str:
    """The package's file of weights.

    Args:
        models: By the name of their constant.
        networks: How many they were learned from.
        asked: Their seeds.
        found: How often they are right.

    Returns:
        Python.
    """
    lines = [
        f'"""What each sign in a network\'s answers counts, learned from {networks} networks.',
        "",
        f"By ``python -m benchmarks.by_answers CIFAR --folder OUT --seeds {asked} --write``,",
        "which prints how often weights that only the others taught are right of a network:",
        "",
        found,
        '"""',
        "",
        "import numpy as np",
        "",
        "from normscope.detection.answer_model import AnswerModel",
    ]
    for name, model in models.items():
        lines += ["", f"{name} = AnswerModel("]
        for field in ("centre", "scale", "weights"):
            values = ", ".join(f"{v:.4g}" for v in getattr(model, field))
            wrapped = fill(values, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
            lines += [f"    {field}=np.array([", wrapped, "    ]),"]
        last = (f"    {field}={getattr(model, field):.4g}," for field in ("none", "enough"))
        lines += [*last, ")  # fmt: skip"]
    return "\n".join(lines) + "\n"


def seeds(text: str) -> range:
    """A range of seeds, ``FIRST:END``."""
    first, end = text.split(":")
    return range(int(first), int(end))


def main() -> None:
    """Train, measure, judge and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cifar", help="CIFAR-10's images, with train/ and test/")
    parser.add_argument("--folder", type=Path, required=True, help="results are kept here")
    parser.add_argument(
        "--seeds", type=seeds, nargs="+", default=[range(120)], metavar="FIRST:END",
        help="of the networks; END is the first left out",
    )  # fmt: skip
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--shipped", action="store_true", help="judge by the package's weights")
    parser.add_argument("--each", action="store_true", help="print every network too")
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    images, results = None, []
    asked = [seed for part in arguments.seeds for seed in part]
    for seed in asked:
        file = arguments.folder / f"{seed}.json"
        if not file.exists():
            images = images or sources(arguments.cifar)
            found = trained(seed, images, arguments.folder)
            write_text(file, json.dumps(found and measured(found)) + "\n")
            print(seed, found and _told(found.training), flush=True)
        results.append(json.loads(file.read_text(encoding="utf-8")))
    results = [result for result in results if result is not None]
    judgements = {
        (layers, shown): taught(
            results, arguments.folds, shown, layers=layers, shipped=arguments.shipped
        )
        for layers in (True, False)
        for shown in ("even", "skewed")
    }
    if arguments.each:
        for (layers, shown), answers in judgements.items():
            for answer in answers:
                print(json.dumps({"layers": layers, "images": shown} | answer))
    print(f"{len(results)} of {len(asked)} networks learned.")
    print("\n".join(table(judgements)))
    if arguments.write:
        models = {
            "OF_ANSWERS": learned(results, layers=False),
            "OF_ANSWERS_AND_LAYERS": learned(results, layers=True),
        }
        ranges = " ".join(f"{part.start}:{part.stop}" for part in arguments.seeds)
        source = weights_source(models, len(results), ranges, told(judgements))
        write_text(WEIGHTS_FILE, source)


def _told(training: Training) -> dict:
    return {k: v for k, v in asdict(training).items() if k in {"source", "kind", "name"}}


if __name__ == "__main__":
    sys.exit(main())
