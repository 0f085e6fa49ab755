from __future__ import annotations

import pytest

from tests.fuzz.seeds import make_seeds


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """A folder with one whole file of every kind."""
    folder = tmp_path_factory.mktemp("fuzz") / "seeds"
    make_seeds(folder)
    return folder
