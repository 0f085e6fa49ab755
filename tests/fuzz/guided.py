"""``python -m tests.fuzz.guided NAME SECONDS [SEED]``: one of our own parsers by atheris.

It changes whole files where that reaches code that none had reached before. A fault is whatever a
parser raises but its own refusal, more than 60 s, or more than 4 GB; atheris then ends the process
and says how to repeat it. Needs atheris, which is for Linux: ``uv run --with atheris``.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("jpeg", "exif", "idx", "mat", "tfrecord", "lmdb", "axis", "normalization", "specification")
LONGEST_SECONDS, MOST_MEGABYTES = 60, 4096


def parsers(folder: Path) -> dict[str, tuple[list[bytes], Callable[[bytes], object]]]:
    """Whole files to begin with, and what reads them, by name.

    Args:
        folder: Where a file is written for those that read a path.

    Returns:
        One for each of ``NAMES``.
    """
    import io

    import lmdb
    from scipy.io import savemat

    from normscope.images.containers.wire import DamagedMessage, bytes_features
    from normscope.images.exif import orientation_of
    from normscope.images.idx import read_idx
    from normscope.images.jpeg import jpeg_frame
    from normscope.images.stream import open_stream
    from normscope.normalization import Normalization
    from normscope.studies.axis import Axis
    from normscope.studies.specification import ScanSpec
    from tests.fuzz.seeds import PIXELS, make_seeds

    make_seeds(folder / "seeds")
    whole = {
        path.name: path.read_bytes() for path in (folder / "seeds").iterdir() if path.is_file()
    }
    matlab = io.BytesIO()
    savemat(matlab, {"X": PIXELS}, do_compression=True)
    values = str(folder / "values.lmdb")
    with lmdb.open(values, map_size=2**16, subdir=False) as written, written.begin(write=True) as t:
        for number in range(3):
            t.put(b"%d" % number, whole["a.png"])

    def at(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
        path = folder / name

        def read_from_there(data: bytes) -> object:
            path.write_bytes(data)
            return read(path)

        return read_from_there

    def images_of(path: Path) -> int:
        return sum(1 for shard in open_stream(path).shards() for _ in shard.images())

    def features(data: bytes) -> None:
        with suppress(DamagedMessage):
            list(bytes_features(memoryview(data)))

    def text_of(data: bytes) -> str:
        return data.decode("utf-8", "replace")

    jpegs = [whole[name] for name in ("a.jpg", "turned.jpg", "progressive.jpg")]
    axes = [b"-2:3:15", b"0.02:2:15:log", b"0.1,0.2", b"1e-3"]
    return {
        "jpeg": (jpegs, jpeg_frame),
        "exif": (jpegs, orientation_of),
        "idx": ([whole["a.idx"]], at("a.idx", read_idx)),
        "mat": ([matlab.getvalue()], at("a.mat", images_of)),
        "tfrecord": ([b"\n\x0b\n\t\n\x01a\x12\x04\n\x02\n\0"], features),
        "lmdb": ([Path(values).read_bytes()], at("a.lmdb", images_of)),
        "axis": (axes, lambda data: Axis.parse("mean", text_of(data)).values),
        "normalization": (
            [b"0.5/0.5", b"0.485,0.456,0.406/0.229,0.224,0.225", b"imagenet"],
            lambda data: Normalization.parse(text_of(data)),
        ),
        "specification": ([whole["study.toml"]], at("study.toml", ScanSpec.read_toml)),
    }


def main() -> None:
    """Fuzz one until the time is up."""
    import atheris

    name, seconds, *seed = sys.argv[1:]
    with atheris.instrument_imports(include=["normscope"]), tempfile.TemporaryDirectory() as place:
        from normscope.errors import NormscopeError, WorkFailed
        from normscope.images.pixels import UnreadableImage

        whole, read = parsers(Path(place))[name]
        corpus = Path(place) / "corpus"
        corpus.mkdir()
        for number, data in enumerate(whole):
            (corpus / str(number)).write_bytes(data)

        def tried(data: bytes) -> None:
            with suppress(NormscopeError, UnreadableImage, WorkFailed):
                read(data)

        limits = [f"-max_total_time={seconds}", f"-timeout={LONGEST_SECONDS}"]
        limits += [f"-rss_limit_mb={MOST_MEGABYTES}", *(f"-seed={s}" for s in seed)]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], tried)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
