"""What was published, as data: every figure of the study and what its code really computed.

Source of all figures: L. U. Perrinet, *Understanding Image Normalization in CNNs*, 2024,
doi:10.5281/zenodo.14602370, the notebook and its printed output.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Perrinet, 2024, doi:10.5281/zenodo.14602370"


@dataclass(frozen=True)
class PublishedExperiment:
    """One experiment of the study.

    Attributes:
        name: What ``normscope article`` calls it.
        what: One line about it.
        needs: The images, and the weights where there are any.
        figures: Every published figure by its label.
        computed: What the notebook's code really computed.
    """

    name: str
    what: str
    needs: str
    figures: dict[str, float]
    computed: str


def _channels(label: str, *values: float) -> dict[str, float]:
    return {f"{label} {c}": v for c, v in zip("RGB", values, strict=True)}


FIRST_EPOCHS = (0.9830, 0.9874, 0.9868, 0.9895, 0.9880, 0.9882, 0.9908, 0.9896, 0.9895, 0.9907)
"""Test accuracy of LeNet at 0.1307/0.3081 after epochs 1 to 10."""

RESNET = "imagenet, resnet18"

FROZEN = (
    "The network is never retrained: this is what another normalization costs weights that were "
    "trained under one, not whether normalization matters to training."
)

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        PublishedExperiment(
            "mnist-statistics",
            "mean and std of MNIST by averages over batches",
            "mnist",
            {"train mean": 0.1306, "train std": 0.3079, "test mean": 0.1332, "test std": 0.3110},
            "The average over batches of 256 of each batch's mean and variance. The last batch is "
            "smaller and counts as much as a whole one, so the averages miss MNIST's own 0.1307 "
            "and 0.3081 in the last digit.",
        ),
        PublishedExperiment(
            "imagenet-statistics",
            "mean and std of 100,000 ImageNet images, and of the validation images",
            "imagenet",
            {
                **_channels("mean", 0.4851, 0.4549, 0.4035),
                **_channels("std", 0.2702, 0.2625, 0.2724),
                **_channels("validation mean", 0.4798, 0.4501, 0.3989),
                **_channels("validation std", 0.2688, 0.2611, 0.2710),
            },
            "The same average over batches, of images resized to 256 and cropped to 224.",
        ),
        PublishedExperiment(
            "lenet-training",
            "LeNet's test accuracy epoch by epoch at MNIST's own statistics",
            "mnist",
            {f"epoch {k}": v for k, v in enumerate(FIRST_EPOCHS, start=1)},
            "One seed. The images are not shuffled off CUDA, the schedule looks at the test "
            "images, and no validation split is held back. The accuracy is the last epoch's.",
        ),
        PublishedExperiment(
            "lenet-points",
            "LeNet after 30 epochs under a few normalizations",
            "mnist",
            {"0.1307/0.3081": 0.9925, "0.144/0.569": 0.9930, "0/1": 0.9931, "0.5/0.25": 0.9906},
            "One seed each, so a difference of 0.002 is one draw against another.",
        ),
        PublishedExperiment(
            "lenet-grid",
            "LeNet over 15 x 15 means and stds, 30 epochs",
            "mnist",
            {
                "best": 0.9936,
                "best at mean": 2.2857,
                "best at std": 0.2,
                "worst": 0.9779,
                "worst at mean": -0.5714,
                "worst at std": 0.02,
                "mean over cells": 0.9907,
                "spread over cells": 0.0025,
                "best 95 % mean": 0.9908,
                "best 95 % spread": 0.0023,
                "centre of mass, mean": 0.5026,
                "centre of mass, std": 0.4728,
            },
            "One seed a cell, so the best of 225 is a maximum of noise. The percentile got 0.05 "
            'where 5 was meant: the "best 95 %" are 224 of 225 cells. The map was drawn with the '
            "axes swapped, so the poor edge of low stds appears at low means; of the centre of "
            "mass the mean was weighted along the std's axis (0.5026 for 0.5005).",
        ),
        PublishedExperiment(
            "first-layer",
            "the first layer's initial weights and biases",
            "none",
            {
                "weight mean": 0.0212,
                "weight std": 0.1869,
                "bias mean": 0.0181,
                "bias std": 0.1941,
                "k": 1 / 9,
                "sqrt(k)": 0.3333,
            },
            "One draw of 32 x 9 weights and 32 biases, uniform between -1/3 and 1/3, with a std of "
            "0.1925. It is called Glorot's; it is PyTorch's default, which is Kaiming's uniform "
            "with a = sqrt(5).",
        ),
        PublishedExperiment(
            "lenet-search",
            "200 trials of Optuna over LeNet's mean and std",
            "mnist",
            {"best": 0.9935, "best at mean": 0.1440, "best at std": 0.5690},
            "A maximum over 200 single seeds, on the test images.",
        ),
        PublishedExperiment(
            "lenet-init-search",
            "200 trials over the first layer's initial scales at -1/0.1",
            "mnist",
            {"best": 0.9941, "best at weight": 0.307, "best at bias": 5.546},
            "The text says that it is at the grid's worst cell, -0.5714/0.02; the code has -1/0.1. "
            "Again a maximum over single seeds on the test images.",
        ),
        PublishedExperiment(
            "resnet-points",
            "a trained ResNet-18 under ImageNet's constants and under 0.5/0.5",
            RESNET,
            {"imagenet": 0.6991, "half": 0.6384},
            FROZEN,
        ),
        PublishedExperiment(
            "resnet-grid",
            "a trained ResNet-18 over 15 x 15 means and stds, wide",
            RESNET,
            {"best": 0.6932},
            f"The mean and the std are the same for R, G and B. {FROZEN}",
        ),
        PublishedExperiment(
            "resnet-zoom",
            "a trained ResNet-18 over 15 x 15 means and stds, closer",
            RESNET,
            {"best": 0.6924},
            f"The mean and the std are the same for R, G and B. {FROZEN}",
        ),
        PublishedExperiment(
            "resnet-search",
            "200 trials of Optuna over ResNet-18's mean and std",
            RESNET,
            {"best": 0.6940, "best at mean": 0.458, "best at std": 0.236},
            f"A maximum over 200 trials on the test images. {FROZEN}",
        ),
        PublishedExperiment(
            "rgb-coarse",
            "200 trials over ResNet-18's six constants",
            RESNET,
            {"best": 0.6693},
            f"A maximum over 200 trials on the test images. {FROZEN}",
        ),
        PublishedExperiment(
            "rgb-fine",
            "200 trials over ResNet-18's six constants, near ImageNet's",
            RESNET,
            {"best": 0.6961},
            f"A maximum over 200 trials on the test images. {FROZEN}",
        ),
    )
}
