"""What each sign in a network's answers counts, learned from 49 networks.

Written by ``python -m benchmarks.by_answers CIFAR --folder OUT --write``.
"""

import numpy as np

from normscope.detection.answer_model import AnswerModel

OF_ANSWERS = AnswerModel(
    centre=np.array([
        2.923, 3.751, 4.12, -0.2433, -0.5302, 0.1922, 0.5542, 0.05293, 0.3223, 0.8043,
        0.8944, 0.7388
    ]),
    scale=np.array([
        1.4, 1.301, 1.221, 0.9508, 0.8731, 0.2191, 0.3558, 0.07338, 0.2724, 0.1135, 0.08422,
        0.188
    ]),
    weights=np.array([
        2.442, 0.5619, 0.3104, 0.443, -0.08836, 0.8099, 1.134, 0.9164, 0.2207, -0.03449,
        -0.363, 0.4379
    ]),
    none=3.827,
)  # fmt: skip

OF_ANSWERS_AND_LAYERS = AnswerModel(
    centre=np.array([
        2.923, 3.751, 4.12, -0.2433, -0.5302, 0.1922, 0.5542, 0.05293, 0.3223, 0.8043,
        0.8944, 0.7388, 0.1254, 0.09122, 0.2496, 0.2874
    ]),
    scale=np.array([
        1.4, 1.301, 1.221, 0.9508, 0.8731, 0.2191, 0.3558, 0.07338, 0.2724, 0.1135, 0.08422,
        0.188, 0.7832, 0.7307, 1.136, 0.3507
    ]),
    weights=np.array([
        2.057, 0.4778, 0.121, 0.7469, -0.04623, 0.6681, 1.173, 0.4711, 0.2897, -0.02445,
        -0.2229, 0.08905, 0.2348, 0.9964, 0.5868, -0.8995
    ]),
    none=3.962,
)  # fmt: skip
