"""What an image is called relative to the source it was found in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from normscope.errors import NormscopeError
from normscope.images.containers.opening import OF_ARRAYS, reader_of, split_part
from normscope.images.formats import ARCHIVES, ARRAYS
from normscope.images.opening import NAMES
from normscope.images.stream import expand_braces
from normscope.images.tree import split_folder, split_of_path


@dataclass(frozen=True)
class Roots:
    """The folders, archives and files that images were found in.

    Attributes:
        paths: Each as an image's path starts with it, sorted.
    """

    paths: tuple[str, ...]

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.paths)

    @classmethod
    def of(cls, source: Any, option: str) -> Roots:
        """Those of a source.

        Args:
            source: As of ``stats``.
            option: What needs names, for the error.

        Returns:
            The roots.

        Raises:
            NormscopeError: If the source has no named images.
        """
        given = list(source) if isinstance(source, list | tuple) else [source]
        for part in given:
            met = _without_names(part)
            if met:
                raise NormscopeError(
                    f"{option} must have images with paths, got {met}. Give folders, files or "
                    "archives of images."
                )
        paths = (
            path
            for part in map(str, given)
            for path in ([part] if Path(part).exists() else expand_braces(part))
        )
        return cls(tuple(sorted({str(Path(path)) for path in paths})))

    def of_split(self, split: str | None) -> Roots:
        """The folders that are walked for a split.

        Args:
            split: As of ``stats``.

        Returns:
            The split's own folders where the roots hold some, else the roots.
        """
        return Roots(
            tuple(
                str(split_folder(Path(path), split)) if Path(path).is_dir() else path
                for path in self.paths
            )
        )

    def relative(self, path: str) -> str:
        """The name of an image below its root.

        Args:
            path: As the image is called: a member of an archive stands behind the archive's path.

        Returns:
            The name with ``/`` between folders; a root that is an image itself has its file's
            name, and what lies below no root its whole path.

        Example:
            >>> Roots(("a.tar", "photos")).relative("photos/north/1.png")
            'north/1.png'
        """
        if path in self._set:
            return path.rpartition("/")[2]
        head = path
        while head:
            head = head.rpartition("/")[0]
            if (head or "/") in self._set:
                return path[len(head) :].lstrip("/").removeprefix("./")
        return path.removeprefix("./")

    def first_folder(self, path: str, split: str | None) -> str:
        """The first folder below an image's root, or nothing where it lies in the root itself.

        Args:
            path: As of ``relative``.
            split: What is read of an archive, whose folders of this split do not count.

        Returns:
            One folder's name.
        """
        name = self.relative(path)
        folders = name.split("/")[:-1]
        found = split_of_path(name)
        if found is not None and found == (split or "train") and self._in_archive(path, name):
            depth = next(k for k in (1, 2) if split_of_path("/".join([*folders[:k], ""])))
            folders = folders[depth:]
        return next((folder for folder in folders if folder != "."), "")

    def _in_archive(self, path: str, name: str) -> bool:
        return path.removesuffix(name).rstrip("/").lower().endswith(ARCHIVES)


def _without_names(part: Any) -> str:
    """What a source is called whose images have no names, or nothing."""
    if not isinstance(part, str | Path):
        return f"an object of type {type(part).__name__}"
    if str(part) in NAMES:
        return str(part)
    file, _ = split_part(str(part))
    is_array = file.lower().endswith((*ARRAYS, ".idx")) or "-ubyte" in Path(file).name
    return f"the array {part}" if is_array or reader_of(file) in OF_ARRAYS else ""
