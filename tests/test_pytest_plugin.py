"""The fixture that others test their preprocessing with."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

# Before pytester, which forgets what is imported while it runs; torch cannot be imported twice.
import normscope.auditing.audit  # noqa: F401
import normscope.pytest_plugin as plugin
from normscope.errors import NormscopeError
from tests.auditing.conftest import photos  # noqa: F401 - a fixture

pytest_plugins = ["pytester"]

TESTS = """
    COMMON = {{"norm": "imagenet", "images": {images!r}, "resize": 40, "crop": 32}}
    HERE = "tests.auditing.networks:"

    def test_right(normscope_audit):
        found = normscope_audit(HERE + "small", pipeline=HERE + "right", **COMMON)
        assert found.tested.cost.lost == 0

    def test_wrong(normscope_audit):
        normscope_audit(HERE + "small", pipeline=HERE + "unnormalized", **COMMON)

    def test_wrong_although_it_may_lose_everything(normscope_audit):
        normscope_audit(
            HERE + "small", pipeline=HERE + "unnormalized", fail_over=1.0, **COMMON
        )

    def test_mirrored(normscope_audit):
        from PIL import ImageOps
        from tests.auditing.networks import right

        def upside_down(image):
            return right(ImageOps.invert(ImageOps.flip(ImageOps.mirror(image))))

        normscope_audit(HERE + "small", pipeline=upside_down, fail_over=0.0, **COMMON)
"""


def test_a_wrong_pipeline_fails_with_the_sentence(photos, pytester, monkeypatch):  # noqa: F811
    pytester.makepyfile(textwrap.dedent(TESTS.format(images=str(photos))))
    ran = pytester.runpytest("-p", "normscope.pytest_plugin", "-p", "no:cacheprovider")
    ran.assert_outcomes(passed=1, failed=3)
    said = " ".join(ran.outlines)
    reason = "does not normalize with 0.485,0.456,0.406/0.229,0.224,0.225."
    other = "tests.auditing.networks:unnormalized normalizes with 0/1, not 0.485,0.456,0.406/"
    assert said.count(other) >= 2
    assert said.count(f"The pipeline tests.auditing.networks:unnormalized {reason}") >= 2
    assert "The pipeline upside_down " in said
    assert "Traceback" not in said


def test_a_wrong_call_is_an_error_of_its_own(photos):  # noqa: F811
    with pytest.raises(NormscopeError, match="fail_over must be an accuracy between 0 and 1"):
        plugin._audit_pipeline(
            "tests.auditing.networks:small", pipeline="tests.auditing.networks:right",
            norm="imagenet", images=photos, fail_over=2,
        )  # fmt: skip


def test_it_costs_other_test_runs_nothing():
    code = (
        "import sys, pytest; before = set(sys.modules); import normscope.pytest_plugin; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["normscope"]
