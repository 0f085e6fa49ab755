"""What each sign in a network's answers counts, learned from 188 networks.

By ``python -m benchmarks.by_answers CIFAR --folder OUT --seeds 0:63 200:266 300:430 --write``,
which prints how often weights that only the others taught are right of a network:

With layers, even classes: first in 91 of 95; 74 of 77 claims true; calibration error 0.073.
With layers, skewed classes: first in 92 of 95; 57 of 58 claims true; calibration error 0.174.
Without layers, even classes: first in 88 of 95; 71 of 75 claims true; calibration error 0.063.
Without layers, skewed classes: first in 89 of 95; 48 of 49 claims true; calibration error 0.181.
"""

import numpy as np

from normscope.detection.answer_model import AnswerModel

OF_ANSWERS = AnswerModel(
    centre=np.array([
        -2.807, 1.854, 3.547, 0.02323, -0.8479, 0.5468, 0.5684, 0.1509
    ]),
    scale=np.array([
        2.094, 1.306, 1.401, 0.03197, 0.3611, 2.345, 0.3645, 0.3096
    ]),
    weights=np.array([
        2.553, 1.302, 1.285, 0.672, 0.3234, 1.722, 0.544, -0.6726
    ]),
    none=4.424,
    enough=0.7,
)  # fmt: skip

OF_ANSWERS_AND_LAYERS = AnswerModel(
    centre=np.array([
        -2.807, 1.854, 3.547, 0.02323, -0.8479, 0.5468, 0.5684, 0.1509, 0.3165, 0.1283,
        0.5151, 0.3187
    ]),
    scale=np.array([
        2.094, 1.306, 1.401, 0.03197, 0.3611, 2.345, 0.3645, 0.3096, 0.8223, 0.8445, 0.8947,
        0.3773
    ]),
    weights=np.array([
        2.361, 1.287, 1.213, 0.6153, 0.3848, 1.433, 0.6553, -0.4734, 0.4897, 1.337, -0.3369,
        -1.558
    ]),
    none=4.676,
    enough=0.7,
)  # fmt: skip
