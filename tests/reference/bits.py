"""What must not change by a bit, whoever computes it and however the images come."""

from __future__ import annotations


def everything(found) -> dict:
    """All fields of a collection's statistics but its name and those that name it or its images."""
    named = {"source", "notes", "outliers"}
    fields = {k: v for k, v in found.to_json().items() if k not in named}
    outliers = [(outlier.score, outlier.reason) for outlier in found.outliers]
    return {**fields, "outliers": outliers, "histogram": found.histogram.tolist()}
