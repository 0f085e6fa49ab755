"""Labels of a check: from folders, from a file, and where they fit no output."""

from __future__ import annotations

import os

import pytest

from normscope import NormscopeError, check
from normscope.checking.labels import with_labels
from normscope.images.originals import find_originals
from tests.checking.test_check import Small, flat

__all__ = ["flat"]


def test_labels_that_are_no_outputs_are_not_asked_for_once_more(photos):
    found = check(Small(), images=photos, norm="half", count=8)
    assert found.sentence == (
        "Cannot tell: nothing says what Small expects. Give labels that are the network's outputs "
        "(see below)."
    )
    assert found.evidence[-1].says == (
        "The labels cannot be used: the 6 folders or names (such as class0) are not among the "
        "network's 2 outputs. Name them as its classes are (ImageNet's ids), or give labels='FILE' "
        "with the numbers of outputs."
    )


def test_labels_that_are_a_pipe_endless_or_huge(flat, tmp_path):
    originals = find_originals(flat)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NormscopeError) as error:
        with_labels(originals, tmp_path / "pipe")
    assert str(error.value) == (
        f"--labels must name a readable CSV file, got {tmp_path / 'pipe'}: not a regular file. "
        "Check the path."
    )
    file = tmp_path / "labels.csv"
    first, second, *_ = sorted(path.name for path in flat.glob("*.png"))
    file.write_text(f"\ufeff{first},{'9' * 5000}\n{second},1\n")
    assert with_labels(originals, file).classes == ("1", "9" * 5000)  # names: no such outputs
    file.write_text(f"{first},999999999\n{second},1\n")
    assert [image.label for image in with_labels(originals, file).images] == [999999999, 1]


def test_labels_of_a_file(photos, flat, tmp_path):
    by_folder = with_labels(find_originals(photos), None)
    assert by_folder.classes == tuple(f"class{i}" for i in range(6))
    file = tmp_path / "labels.csv"
    names = [path.name for path in sorted(flat.glob("*.png"))]
    file.write_text("".join(f"{name},{name[0]}\n" for name in names[:30]))
    by_number = with_labels(find_originals(flat), file)
    assert by_number.classes is None
    assert [image.label for image in by_number.images] == [int(name[0]) for name in names[:30]]
    file.write_text("".join(f"{name},class{name[0]}\n" for name in names))
    by_name = with_labels(find_originals(flat), file)
    assert by_name.classes == by_folder.classes
    assert [i.label for i in by_name.images] == [i.label for i in by_folder.images]
    file.write_text("a.png,1,2\n")
    with pytest.raises(NormscopeError, match="must hold two columns"):
        with_labels(find_originals(flat), file)
    file.write_text("elsewhere.png,1\n")
    with pytest.raises(NormscopeError, match="must name the images of"):
        with_labels(find_originals(flat), file)
