"""What must not change by a bit, whoever computes it and however the images come."""

from __future__ import annotations


def everything(found) -> dict:
    """All fields of a collection's statistics but its name and the sentences that hold it."""
    fields = {k: v for k, v in found.to_json().items() if k not in {"source", "notes"}}
    return {**fields, "histogram": found.histogram.tolist()}
