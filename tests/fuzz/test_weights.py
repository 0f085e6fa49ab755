"""Damaged files of weights give a sentence, or tensors of the names and numbers that they hold."""

from __future__ import annotations

import random

import pytest
import torch

from normscope.errors import NormscopeError
from normscope.models.weights import read_weights
from tests.fuzz.mutating import mutated
from tests.fuzz.seeds import weights_files

ROUNDS = 250


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["w.pt", "legacy.pt", "w.safetensors"])
def test_damaged_weights(tmp_path, name):
    whole = weights_files()[name]
    path = tmp_path / name
    read = refused = 0
    for seed in range(ROUNDS):
        path.write_bytes(mutated(whole, random.Random(seed)))
        try:
            weights = read_weights(path)
        except NormscopeError:
            refused += 1
            continue
        assert all(type(key) is str for key in weights)
        assert all(tensor.layout is torch.strided for tensor in weights.values())
        read += 1
    # Of a flip within the numbers themselves no format tells.
    assert min(read, refused) > ROUNDS // 20


@pytest.mark.filterwarnings("ignore")  # torch's, on sparse tensors
@pytest.mark.parametrize(
    "content", [{1: torch.zeros(2)}, {"a": torch.zeros(2).to_sparse()}, {"a": 1.5}, {}, [1], "text"]
)
def test_what_is_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(NormscopeError, match=r"must hold a state dict \(tensors by name\), got "):
        read_weights(tmp_path / "w.pt")
