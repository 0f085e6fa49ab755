"""What mkdocstrings is helped with: headings of examples, and attributes without a docstring."""

from __future__ import annotations

import re

import griffe


class Docstrings(griffe.Extension):
    """Griffe knows the plural heading alone, and shows ``>>>`` below "Example:" as quotations."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Mend a docstring before it is parsed."""
        if obj.is_attribute:
            # Inspected, a number has the docstring of int.
            obj.docstring = None
        elif obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^( *)Example:$", r"\1Examples:", obj.docstring.value)
