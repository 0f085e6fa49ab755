"""Products over features that are not 0 against those over all."""

from __future__ import annotations

import pytest
import torch

from normscope.machine.cores import threads
from normscope.models.stacked.sparse_features import SparseFeatures

pytest.importorskip("numba", reason="the extra fast is not installed")

FACTOR = 4 / 3


def few_features(models, images, share=0.1, features=320):
    torch.manual_seed(0)
    numbers = torch.rand(models, images, features, dtype=torch.float64)
    numbers *= torch.rand_like(numbers) < share
    numbers[:, :, 7] = 0  # no image has this one
    numbers[:, 2] = 0  # and this image has none
    return numbers


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("models", "images"), [(1, 64), (3, 5)])
def test_they_give_the_same_as_dense_products(models, images, count):
    features = few_features(models, images)
    weight = torch.randn(models, 320, 128, dtype=torch.float64)
    given = torch.randn(models, images, 128, dtype=torch.float64)
    of_weight = torch.full_like(weight, float("nan"))
    with threads(count):
        sparse = SparseFeatures.of(features)
        torch.testing.assert_close(sparse.times(weight, FACTOR), FACTOR * features @ weight)
        of_features = sparse.gradients(given, weight, FACTOR, of_weight)
    torch.testing.assert_close(of_weight, FACTOR * features.mT @ given)
    torch.testing.assert_close(of_features, FACTOR * (given @ weight.mT) * (features > 0))


def test_many_features_are_left_to_dense_products():
    assert SparseFeatures.of(few_features(2, 64, 0.2)) is not None
    features = few_features(2, 64, 0.2)
    features[1] = 1
    assert SparseFeatures.of(features) is None


def test_what_is_not_a_number_is_not_lost():
    features = few_features(1, 5)
    features[0, 3, 9] = float("nan")
    weight = torch.randn(1, 320, 128, dtype=torch.float64)
    found = SparseFeatures.of(features).times(weight, FACTOR)
    assert found[0, 3].isnan().all()
    assert found[0, :3].isfinite().all()
