"""The files of a report in its folder, each written in one step, and what was written."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from normscope.regular_files import digest
from normscope.writing import check_ours, json_text, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.figure import Figure

DOTS_PER_INCH = 150


class ReportFiles:
    """Writes the files of one report.

    Args:
        folder: The study's, which exists.

    Attributes:
        folder: Likewise.
        digests: Of what was written, by the file's name in the folder. Who reads the files later
            may find those of another process, which reports the same study with other options.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digests: dict[str, str] = {}

    def text(self, name: str, text: str) -> None:
        """Write a page or numbers, over nothing but older ones."""
        check_ours(self.folder / name)
        with self._noted(name) as path:
            path.write_text(text, encoding="utf-8")

    def numbers(self, name: str, data: Any) -> None:
        """Write plain values as JSON, likewise."""
        self.text(name, json_text(data))

    def figure(self, name: str, figure: Figure) -> None:
        """Write a picture, in a folder that is made where there is none."""
        (self.folder / name).parent.mkdir(exist_ok=True)
        with self._noted(name) as path:
            figure.savefig(path, dpi=DOTS_PER_INCH)

    @contextmanager
    def _noted(self, name: str) -> Iterator[Path]:
        with replacing(self.folder / name) as path:
            yield path
            with suppress(OSError):  # of a device or a pipe, which holds nothing to come back to
                self.digests[name] = digest(path)
