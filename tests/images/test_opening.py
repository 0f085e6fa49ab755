from __future__ import annotations

import pytest

from normscope.errors import NormscopeError, UnknownName
from normscope.images.opening import open_source


def test_names_and_folders(class_folders):
    assert open_source("digits").name == "digits"
    assert open_source(str(class_folders)).classes == ("cats", "dogs")


def test_unknown_source_suggests_the_nearest():
    with pytest.raises(UnknownName) as error:
        open_source("fashion-mnst")
    assert str(error.value) == (
        "source must be one of digits, mnist, fashion-mnist, cifar10, cifar100 or a folder of "
        "images, got 'fashion-mnst'. Did you mean 'fashion-mnist'?"
    )


def test_a_file_is_no_source_of_trials(tmp_path):
    path = tmp_path / "images.npz"
    path.touch()
    with pytest.raises(NormscopeError) as error:
        open_source(str(path))
    assert str(error.value) == (
        "source must be a name, or a folder, .tar or .zip of images for trials, got the file "
        f"{path}. Sort its images into train/ and test/ with one folder per class."
    )
