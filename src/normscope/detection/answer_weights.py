"""What each sign in a network's answers counts, learned from 32 networks.

Written by ``python -m benchmarks.by_answers CIFAR --folder OUT --write``.
"""

import numpy as np

from normscope.detection.answer_model import AnswerModel

OF_ANSWERS = AnswerModel(
    centre=np.array([
        2.843, 3.756, 4.196, 0.1966, 0.5401, 0.04808, 0.3317, 0.812, 0.9021, 0.7271
    ]),
    scale=np.array([
        1.359, 1.259, 1.179, 0.2428, 0.3613, 0.06444, 0.2918, 0.1153, 0.07871, 0.2014
    ]),
    weights=np.array([
        1.839, 1.283, 0.1964, 0.7096, 1.186, 1.254, 0.2831, -0.2045, -0.003585, 0.535
    ]),
    none=1.462,
)  # fmt: skip

OF_ANSWERS_AND_LAYERS = AnswerModel(
    centre=np.array([
        2.843, 3.756, 4.196, 0.1966, 0.5401, 0.04808, 0.3317, 0.812, 0.9021, 0.7271, 0.5348,
        0.412, 0.1335
    ]),
    scale=np.array([
        1.359, 1.259, 1.179, 0.2428, 0.3613, 0.06444, 0.2918, 0.1153, 0.07871, 0.2014,
        1.494, 2.146, 1.235
    ]),
    weights=np.array([
        1.725, 1.252, 0.06219, 0.6328, 1.066, 0.9947, 0.2902, -0.2311, -0.1272, 0.3503,
        -0.2293, 0.4871, 1.002
    ]),
    none=1.943,
)  # fmt: skip
