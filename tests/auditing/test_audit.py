"""Prices against a slow second way that shares no code with the audit."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

import normscope
from normscope.auditing import reading
from normscope.auditing.sentences import sentences
from normscope.errors import NormscopeError
from normscope.normalization import Normalization

from . import networks
from .by_hand import PIXELS, VALUES, by_hand, opened

HERE = "tests.auditing.networks"


def audited(images, factory="small", **options):
    fields = {"norm": "imagenet", "resize": 40, "crop": 32, **options}
    return normscope.audit(f"{HERE}:{factory}", images=images, **fields)


@pytest.fixture(scope="module")
def found(photos):
    return audited(photos)


def test_every_price_is_the_one_found_by_hand(photos, found):
    images = opened(photos)
    labels = np.array([label for _, label in images])
    model = networks.small()
    expected, _ = by_hand(model, images, "reference")
    assert found.reference.accuracy == pytest.approx((expected == labels).mean())
    assert 0.1 < found.reference.accuracy < 1
    costs = {mistake.name: mistake.cost for mistake in found.mistakes}
    assert set(costs) == {*PIXELS, *VALUES, "0..1", "imagenet"}
    for name in (*PIXELS, *VALUES):
        given, _ = by_hand(model, images, name)
        assert costs[name].accuracy == pytest.approx((given == labels).mean()), name
        assert costs[name].disagreement == pytest.approx((given != expected).mean()), name
        assert costs[name].lost == pytest.approx(found.reference.accuracy - costs[name].accuracy)
        low, high = costs[name].interval
        assert low < costs[name].lost < high


def test_the_worst_come_first_and_those_that_cannot_be_made_last(found):
    lost = [mistake.cost.lost for mistake in found.priced]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] > 0.1
    left_out = found.mistakes[len(lost) :]
    assert {m.name: m.reason for m in left_out} == {
        "0..1": "the reference takes pixels of [0, 1] already",
        "imagenet": "it is the same as the reference here",
    }


def test_only_images_with_exif_are_turned(found):
    changed = {m.name: m.cost.changed for m in found.priced}
    assert changed["exif"] == 6
    assert changed["bgr"] == found.images == 48


def test_an_upright_reference_is_the_exif_row_and_the_other_way_round(photos, found):
    upright = audited(photos, upright=True)
    exif = next(m.cost for m in upright.priced if m.name == "exif")
    assert exif.accuracy == found.reference.accuracy
    other = next(m.cost for m in found.priced if m.name == "exif")
    assert upright.reference.accuracy == other.accuracy


def test_rows_that_cannot_apply_say_why(photos, tmp_path):
    for folder in (photos / "val").iterdir():
        (tmp_path / "val" / folder.name).mkdir(parents=True)
        image = Image.open(folder / "0.png").convert("L")
        image.save(tmp_path / "val" / folder.name / "0.png")
    found = audited(tmp_path, norm="half", resize=None, crop=None)
    reasons = {m.name: m.reason for m in found.mistakes if m.reason}
    assert reasons["nearest"] == "nothing is resized (no --resize)"
    assert reasons["exif"] == "no image carries an Exif orientation that keeps its size"
    assert reasons["half"] == "it is the same as the reference here"
    assert reasons["bgr-pixels"] == reasons["grey"] == "all images are grey"
    priced = {m.name for m in found.priced}
    assert {"none", "imagenet", "jpeg-75", "no-std"} <= priced


def test_a_reference_of_bytes_and_none(photos):
    in_bytes = audited(photos, norm=Normalization(0, 1 / 255))
    names = {m.name: m for m in in_bytes.mistakes}
    assert names["0..255"].reason == "the reference takes pixels of 0..255 already"
    assert names["0..1"].cost.accuracy == audited(photos, norm="none").reference.accuracy
    unnormalized = audited(photos, norm="none")
    same = {m.name for m in unnormalized.mistakes if m.reason and "same" in m.reason}
    assert same == {"none", "twice", "no-std", "multiplied", "mean-order"}


def test_without_labels_disagreement_is_the_price(photos, found):
    blind = audited(photos / "val")
    assert not blind.labelled
    assert blind.reference.accuracy is None
    before = {m.name: m.cost.disagreement for m in found.priced}
    assert {m.name: m.cost.disagreement for m in blind.priced} == before
    ranked = [m.cost.disagreement for m in blind.priced]
    assert ranked == sorted(ranked, reverse=True)
    assert all(m.cost.lost is None and m.cost.interval is None for m in blind.priced)
    assert "The drift of BatchNorm statistics is unavailable" in " ".join(blind.sentences)


@pytest.mark.parametrize("labelled", [True, False])
def test_drift_is_the_distance_of_the_batches_statistics(photos, labelled):
    found = audited(photos if labelled else photos / "val", "with_batchnorm")
    images = opened(photos)
    model = networks.with_batchnorm()
    first, batchnorm = model.details[0], model.details[1][0]
    by_name = {m.name: m.cost.drift for m in found.priced} | {"reference": found.reference.drift}
    for name in ("reference", "none", "0..255", "exif"):
        _, inputs = by_hand(model, images, name)
        with torch.no_grad():
            met = first(inputs).double().transpose(0, 1).flatten(1).numpy()
        eps = batchnorm.eps
        stretch = np.sqrt(met.var(axis=1) + eps) / np.sqrt(1 + eps) - 1
        shift = met.mean(axis=1) / np.sqrt(1 + eps)
        expected = np.sqrt((shift**2 + stretch**2).mean())
        assert by_name[name] == {"details.1.0": pytest.approx(expected, rel=1e-4)}, name
    assert found.reference.mean_drift == found.reference.drift["details.1.0"]


def test_batches_change_nothing(photos, found, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 10)
    seen = []
    again = audited(photos, on_image=lambda done, total: seen.append((done, total)))
    assert seen == [(10, 48), (20, 48), (30, 48), (40, 48), (48, 48)]
    assert [m.to_json() for m in again.mistakes] == [m.to_json() for m in found.mistakes]


def test_the_right_pipeline_loses_nothing(photos, found):
    audit = audited(photos, pipeline=f"{HERE}:right", fail_over=0.0)
    tested = audit.tested
    assert tested.cost.accuracy == found.reference.accuracy
    assert (tested.cost.lost, tested.like, tested.fails) == (0, None, False)
    # Few images leave an interval open, but what is the same on all of them needs none.
    assert tested.cost.changed == 0
    assert audit.to_json()["verdict"] == "no"
    assert sentences(audit)[0] == (
        f"No: the pipeline {HERE}:right prepares all 48 images as the reference does; keep it."
    )


def test_a_pipeline_that_is_one_grey_level_off_prepares_images_otherwise(photos):
    def darker(image):
        return networks.right(image) - 1 / 255 / 0.229

    audit = audited(photos, pipeline=darker)
    assert audit.tested.cost.changed == 48
    assert "as the reference does" not in sentences(audit)[0]


@pytest.mark.parametrize(
    "given",
    [
        lambda tensor: tensor.numpy(),
        lambda tensor: tensor.permute(1, 2, 0).numpy().astype(">f8"),
        lambda tensor: tensor[None],
        lambda tensor: {"pixel_values": [tensor.numpy()]},
        lambda tensor: ({"image": tensor}, 3),
    ],
)
def test_a_pipeline_may_give_its_image_in_any_form(photos, given):
    def right(image):
        return given(networks.right(image))

    def wrong(image):
        return given(networks.unnormalized(image))

    assert audited(photos / "val", pipeline=right, fail_over=0.0).tested.fails is False
    assert audited(photos / "val", pipeline=wrong, fail_over=0.01).tested.like == "none"


def test_a_pipeline_must_give_one_image_of_floats_or_bytes(photos):
    def several(image):
        return networks.right(image)[None].repeat(5, 1, 1, 1)

    with pytest.raises(NormscopeError) as error:
        audited(photos, pipeline=several)
    assert "pipeline='several' must give floats or bytes of shape (3, H, W)" in str(error.value)
    assert "got float32 of shape (5, 3, 32, 32) for " in str(error.value)
    with pytest.raises(NormscopeError, match=r"got int64 of shape \(3, \d+, \d+\) for "):
        audited(photos, pipeline=lambda image: np.asarray(image, np.int64))


@pytest.mark.parametrize("images", ["", "val"])
def test_a_wrong_pipeline_is_recognized(photos, images):
    run = audited(photos / images, pipeline=networks.unnormalized, fail_over=0.01)
    none = next(m.cost for m in run.priced if m.name == "none")
    assert run.tested.cost.accuracy == none.accuracy
    assert run.tested.cost.disagreement == none.disagreement > 0.01
    assert (run.tested.like, run.tested.agreement, run.tested.fails) == ("none", 1.0, True)


def test_the_mistake_of_a_pipeline_is_named(photos):
    run = audited(photos, pipeline=networks.copied)
    assert run.tested.mistake.name == run.to_json()["pipeline"]["mistake"]["name"] == "mean-as-std"
    assert run.sentences[0].endswith("; fix it: the mean stands in the place of the std.")


def test_a_squashed_resize_is_named(photos):
    run = audited(photos, pipeline=networks.squashed)
    assert run.to_json()["pipeline"]["applied"]["shows"] == "whole, squashed"
    assert not run.tested.differs
    assert (
        "Compose squashes the images: it resizes both sides to fixed lengths, so that their ratio "
        "is lost. Give the resize one number, the shorter side, and crop."
    ) in run.sentences


def test_one_image_shows_another_normalization(photos, tmp_path):
    # However few they are, and whatever they cost.
    first = sorted((photos / "val").rglob("*.png"))[0]
    (tmp_path / first.name).write_bytes(first.read_bytes())
    tested = audited(tmp_path, pipeline=networks.unnormalized, fail_over=1.0).tested
    assert (tested.differs, tested.fails) == (True, True)
    assert audited(tmp_path, pipeline=networks.unnormalized).tested.fails is False
    right = audited(tmp_path, pipeline=f"{HERE}:right", fail_over=0.0).tested
    assert (right.differs, right.fails) == (False, False)


def test_a_pipeline_must_give_finite_numbers(photos):
    with pytest.raises(NormscopeError) as error:
        audited(photos, pipeline=networks.not_a_number)
    assert str(error.value).startswith(
        "pipeline='not_a_number' must give finite numbers, got nan or inf for "
    )


def test_a_pipeline_needs_images_that_pillow_opens(tmp_path):
    path = tmp_path / "0.npy"
    np.save(path, np.zeros((1, 3, 32, 32), np.uint8))
    with pytest.raises(NormscopeError) as error:
        audited(tmp_path, pipeline=f"{HERE}:right")
    assert str(error.value) == (
        f"Pillow must open every image for pipeline='{HERE}:right', got {path}: not an image in a "
        "format that it knows. Convert the images, or give norm in its place."
    )


def test_a_pipeline_may_give_images_of_several_sizes(photos):
    assert audited(photos, pipeline=f"{HERE}:uneven").tested.cost.changed == 48


def test_outputs_that_are_not_finite_are_wrong(photos):
    class Overflowing(torch.nn.Module):
        def forward(self, images):
            return torch.full((len(images), 6), float("nan"))

    networks.overflowing = Overflowing
    try:
        found = audited(photos, "overflowing")
    finally:
        del networks.overflowing
    assert found.reference.accuracy == 0


def test_bytes_that_are_no_image_are_skipped(photos, tmp_path):
    (tmp_path / "photo.png").write_bytes((photos / "val" / "class0" / "0.png").read_bytes())
    (tmp_path / "text.png").write_text("no image")
    found = audited(tmp_path)
    assert found.images == 1
    assert [image.reason for image in found.skipped] == ["not an image in a known format"]


def test_real_weights_give_what_training_without_training_gives(real_data, tmp_path):
    if not os.environ.get("NORMSCOPE_WEIGHTS"):
        pytest.skip("NORMSCOPE_WEIGHTS is not set: real weights are needed")
    weights = f"{os.environ['NORMSCOPE_WEIGHTS']}/squeezenet1_1-imagenet.safetensors"
    (tmp_path / "val").mkdir()
    for folder in sorted((real_data / "imagenet-sample" / "val").iterdir())[::40]:
        (tmp_path / "val" / folder.name).symlink_to(folder)
    options = {"weights": weights, "resize": 112, "crop": 96, "precision": "fp32"}
    found = normscope.audit("squeezenet1_1", norm="imagenet", images=tmp_path, **options)
    costs = {m.name: m.cost for m in found.priced}
    for norm, accuracy in (
        ("imagenet", found.reference.accuracy),
        ("none", costs["none"].accuracy),
        ("half", costs["half"].accuracy),
    ):
        trained = normscope.train(
            str(tmp_path), norm=norm, model="squeezenet1_1", recipe="frozen", **options
        )
        assert accuracy == trained.result.accuracy
    assert found.reference.accuracy > 0.3
