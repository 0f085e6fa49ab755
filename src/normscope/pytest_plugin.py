"""What pytest finds by itself where normscope is installed: a fixture that audits a pipeline.

Every test run of the environment imports this file, so that it imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from normscope.auditing.audit_result import Audit

FAIL_OVER = 0.01


class AuditPipeline(Protocol):
    """Audits a pipeline and fails the test if it is not right."""

    def __call__(
        self, model: Any, *, pipeline: Any, fail_over: float = FAIL_OVER, **options: Any
    ) -> Audit:
        """Assert that a pipeline prepares images as a network expects.

        Args:
            model: As for ``normscope.audit``.
            pipeline: Takes a Pillow image and gives floats, or bytes that are normalized later, of
                shape ``(C, H, W)`` or ``(H, W, C)``: a tensor or an array, alone, in a batch of one
                or in a mapping or tuple; or its name, ``package.module:transform``. Bytes fail,
                unless the network expects them: test them with what normalizes them.
            fail_over: The most accuracy that it may lose against the correct pipeline; on images
                without labels, the largest share of answers that may change.
            options: Further ones of ``normscope.audit``: ``norm``, ``images``, ``weights``,
                ``resize``, ``crop``.

        Returns:
            What was found, for further assertions.
        """
        ...


@pytest.fixture(scope="session")
def normscope_audit() -> AuditPipeline:
    """Audit a pipeline: it may lose no accuracy, and must normalize as the network expects.

    Example::

        def test_preprocessing(normscope_audit):
            normscope_audit(
                "squeezenet1_1", weights="weights.safetensors", norm="imagenet",
                images="tests/photos", resize=256, crop=224, pipeline=transform,
            )

    Returns:
        A callable, as ``AuditPipeline`` says.
    """
    return _audit_pipeline


def _audit_pipeline(
    model: Any, *, pipeline: Any, fail_over: float = FAIL_OVER, **options: Any
) -> Audit:
    __tracebackhide__ = True
    from normscope import audit
    from normscope.arguments import for_caller
    from normscope.auditing.sentences import failure

    found = audit(model, pipeline=pipeline, fail_over=fail_over, **options)
    why = failure(found)
    if found.tested is not None and why is not None:
        pytest.fail(
            f"{found.sentences[0]} The pipeline {found.tested.name} {for_caller(why)}.",
            pytrace=False,
        )
    return found
