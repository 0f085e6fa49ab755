from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from threadpoolctl import threadpool_info
from torch import nn

import normscope
from normscope.cli.app import run
from normscope.detection import detecting, evidence
from normscope.detection.by_answers import weigh_by_answers
from normscope.detection.detection_result import Detection
from normscope.models.building import build_model

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def detect(model, images, **options):
    found = normscope.detect(model, images, batch_size=100, device="cpu", **options)
    assert isinstance(found, Detection)
    return found


@pytest.mark.parametrize(
    ("name", "mean", "std", "order", "pixels"),
    [
        ("imagenet", *IMAGENET, "rgb", "[0, 1]"),
        ("imagenet, bgr", *IMAGENET, "bgr", "[0, 1]"),
        ("0..255", (0.0,) * 3, (1 / 255,) * 3, "rgb", "0..255"),
        ("caffe", (123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, "bgr", "0..255"),
        ("half", (0.5,) * 3, (0.5,) * 3, "rgb", "[0, 1]"),
    ],
)
def test_known_normalizations(checkpoint, coloured_images, name, mean, std, order, pixels):
    found = detect(checkpoint(mean, std, order=order), coloured_images, augmentation="none")
    assert found.verdict == name
    assert found.candidates[0].confidence > 0.9
    assert (found.order, found.pixels) == (order, pixels)
    assert found.none_of_them + sum(c.confidence for c in found.candidates) == pytest.approx(1)
    intervals = found.fitted.mean_interval
    assert all(low < value < high for value, (low, high) in zip(mean, intervals, strict=True))
    assert np.allclose(found.fitted.normalization.std, std, rtol=0.05)


def test_another_normalization_is_claimed_by_none(checkpoint, coloured_images):
    found = detect(checkpoint((0.3, 0.7, 0.5), (0.4, 0.15, 0.3)), coloured_images)
    assert found.verdict == "none of the known"
    assert found.none_of_them > 0.9
    assert np.allclose(found.fitted.normalization.mean, (0.3, 0.7, 0.5), atol=0.03)
    assert "none of the known normalizations" in found.sentence


def test_grey_images_have_no_order(checkpoint, coloured_images):
    found = detect(checkpoint((0.1307,), (0.3081,)), coloured_images[:, :1])
    assert found.verdict == "mnist"
    assert (found.order, found.order_confidence) == (None, None)


def test_swapped_channels_in_the_network_are_followed(checkpoint, coloured_images):
    class Swapping(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = checkpoint(IMAGENET[0], IMAGENET[1], order="bgr")

        def forward(self, images):
            return self.inner(images[:, [2, 1, 0]])

    found = detect(Swapping(), coloured_images)
    assert (found.verdict, found.layer) == ("imagenet", "inner.0")


def test_an_activation_may_stand_before_the_batchnorm(checkpoint, coloured_images):
    layers = [nn.Conv2d(3, 16, 3), nn.ReLU()]
    found = detect(checkpoint(*IMAGENET, layers=layers), coloured_images, augmentation="none")
    assert found.verdict == "imagenet"
    assert found.layer is None
    assert "measured by running the network" in found.notes[0]
    assert np.allclose(found.fitted.normalization.std, IMAGENET[1], rtol=0.1)


def test_a_later_batchnorm_serves_where_there_is_no_earlier(checkpoint, coloured_images):
    layers = [nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3)]
    model = checkpoint((0.5,) * 3, (0.5,) * 3, layers=layers)
    found = detect(model, coloured_images, augmentation="none")
    assert (found.verdict, found.batchnorm) == ("half", "4")


def test_thin_evidence_is_not_made_more_of(checkpoint, coloured_images):
    layers = [nn.Conv2d(3, 1, 1)]
    model = checkpoint((0.3, 0.7, 0.5), (0.4, 0.15, 0.3), layers=layers, filters=1)
    found = detect(model, coloured_images[:24], augmentation="none")
    assert found.verdict == "cannot tell"
    assert "cannot tell which normalization" in found.sentence


def test_small_matrices_are_not_shared_among_cores(monkeypatch, checkpoint, coloured_images):
    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    met, before = [], threads()
    monkeypatch.setattr(
        detecting, "weigh", lambda *given: (met.extend(threads()), evidence.weigh(*given))[1]
    )
    detect(checkpoint(*IMAGENET), coloured_images, augmentation="none")
    assert set(met) == {1}
    assert threads() == before


def test_the_same_call_gives_the_same_numbers(checkpoint, coloured_images):
    model = checkpoint(*IMAGENET)
    assert detect(model, coloured_images).to_json() == detect(model, coloured_images).to_json()


def test_a_grey_image_among_colour_ones_has_three_channels(checkpoint, coloured_images):
    images = [*coloured_images, coloured_images[0][:1]]
    assert detect(checkpoint(*IMAGENET), images, augmentation="none").verdict == "imagenet"


def test_silent_filters_count_for_little(checkpoint, coloured_images):
    layers = [nn.Conv2d(3, 16, 3), nn.ReLU()]
    model = checkpoint(*IMAGENET, layers=layers)
    with torch.no_grad():
        model[0].bias[:2] = -100
    found = detect(model, coloured_images, augmentation="none")
    assert found.verdict == "imagenet"
    assert found.misfit < 0.1


@pytest.mark.thorough
def test_intervals_hold_as_often_as_they_say(checkpoint, coloured_images):
    mean, std = (0.4, 0.5, 0.6), (0.3, 0.2, 0.25)
    model = checkpoint(mean, std)
    generator = np.random.default_rng(0)
    held = []
    for _ in range(25):
        # Averages with momentum 0.1 are as noisy as those of 19 batches.
        averaged = generator.integers(0, len(coloured_images), 19 * 100)
        at_hand = generator.integers(0, len(coloured_images), 100)
        drawn = checkpoint(mean, std, shown=coloured_images[averaged])
        assert (drawn[0].weight == model[0].weight).all()
        found = detect(drawn, coloured_images[at_hand], augmentation="none").fitted
        held += [a < v < b for v, (a, b) in zip(mean, found.mean_interval, strict=True)]
        held += [a < v < b for v, (a, b) in zip(std, found.std_interval, strict=True)]
    assert 0.8 < np.mean(held) < 0.98


def test_dead_filters_are_left_out(checkpoint, coloured_images):
    model = checkpoint(*IMAGENET)
    with torch.no_grad():
        model[0].weight[3] = 0
        model[1].running_var[3] = 0
    assert detect(model, coloured_images).verdict == "imagenet"


def bad_call(model, images, said, **options):
    with pytest.raises(normscope.NormscopeError) as raised:
        normscope.detect(model, images, device="cpu", **options)
    assert said in str(raised.value)


def test_too_few_images(checkpoint, coloured_images):
    said = "images must be at least 24 to tell 6 constants (a mean and a std for each channel)"
    bad_call(checkpoint(*IMAGENET), coloured_images[:23], f"{said}, got 23.")
    bad_call(checkpoint(*IMAGENET), coloured_images, f"{said}, got 5.", count=5)


def test_constant_images(checkpoint, coloured_images):
    images = coloured_images.copy()
    images[:, 1] = 7
    said = "images must vary in every channel, got the same value 7 for every pixel of channel 1"
    bad_call(checkpoint(*IMAGENET), images, said)


def test_images_of_several_sizes(checkpoint, coloured_images):
    images = [*coloured_images[:30], coloured_images[0][:, :10]]
    bad_call(checkpoint(*IMAGENET), images, "images must share one shape")


def test_wrong_channel_count(checkpoint, coloured_images):
    bad_call(checkpoint(*IMAGENET), coloured_images[:, :1], "the model must take images of shape")


def test_fresh_and_diverged_averages(coloured_images):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    bad_call(model, coloured_images, "the zeros and ones of a fresh network. Give weights.")
    model[1].running_mean[0] = torch.nan
    bad_call(model, coloured_images, "must be finite")
    model[1].running_mean.zero_()
    model[1].running_var.zero_()
    bad_call(model, coloured_images, "must be greater than 0")


def test_without_batchnorm_the_answers_tell(coloured_images):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = normscope.detect(model, coloured_images, device="cpu")
    expected = weigh_by_answers(model, coloured_images)
    assert found == expected
    assert found.verdict == "cannot tell"
    assert found.to_json()["images"] == 200
    bad_call(model[:1], coloured_images, "the network must give two outputs or more for each")


@pytest.fixture
def lenet(tmp_path):
    path = tmp_path / "lenet.safetensors"
    model = build_model("lenet-bn", channels=1, classes=10, image_size=(28, 28))
    save_file(model.state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lenet-bn"], "lenet-bn must be given its weights"),
        (["lenet-bn", "--weights", "LENET", "--channels", "rgb"], "must have 1 channel to fit"),
        (["lenet-bn", "--weights", "LENET", "--count", "0"], "--count must be at least 1"),
        (["lenet-bn", "--weights", "LENET", "--batch-size", "1"], "--batch-size must be at"),
        (["resnet20", "--weights", "LENET"], "the weights of"),
        (["lenet-bn", "--weights", "LENET"], "the zeros and ones of a fresh network"),
        (["lenet-bn", "--weights", "LENET", "--augmentation", "crop"], "--augmentation must be"),
        (["lenet", "--weights", "LENET"], "tensors that do not"),
    ],
)  # fmt: skip
def test_bad_calls_are_one_sentence(arguments, said, lenet, tmp_path, capsys):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(
        0, 256, (40, 28, 28), dtype=np.uint8
    ))  # fmt: skip
    arguments = [str(lenet) if argument == "LENET" else argument for argument in arguments]
    assert run(["detect", *arguments, "--images", str(tmp_path / "images.npy")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_an_empty_folder_is_one_sentence(lenet, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    arguments = ["lenet-bn", "--weights", str(lenet), "--images", str(tmp_path / "none")]
    assert run(["detect", *arguments]) == 2
    assert "must hold images, got none that can be read" in capsys.readouterr().err


def test_real_weights(real_data, tmp_path, capsys):
    import os
    from pathlib import Path

    folder = os.environ.get("NORMSCOPE_WEIGHTS")
    if not folder:
        pytest.skip("NORMSCOPE_WEIGHTS is not set: real weights are needed")
    arguments = [
        "detect",
        "resnet20",
        "--weights",
        str(Path(folder) / "resnet20-cifar10.safetensors"),
    ]
    images = ["--images", str(real_data / "cifar10-jpeg" / "test.tar")]
    assert run([*arguments, *images, "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == found["candidates"][0]["name"] == "imagenet"
    assert found["augmentation"] == "crop4"
    augmented, written = ["--augmentation", "crop4,flip"], tmp_path / "found.json"
    assert run([*arguments, *images, *augmented, "--json", str(written)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("resnet20 was trained with imagenet")
    fitted = json.loads(written.read_text(encoding="utf-8"))["fitted"]
    assert np.allclose(fitted["mean"], IMAGENET[0], atol=0.02)
    assert np.allclose(fitted["std"], IMAGENET[1], atol=0.02)
