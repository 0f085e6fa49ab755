"""Lets the site show a docstring's "Example:" as code, as it does what is headed "Examples:"."""

from __future__ import annotations

import re

import griffe


class SingularExamples(griffe.Extension):
    """Griffe knows the plural alone, and would show ``>>>`` as quotations within each other."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rename the section before it is parsed."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^( *)Example:$", r"\1Examples:", obj.docstring.value)
