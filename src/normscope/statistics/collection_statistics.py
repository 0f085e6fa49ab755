"""The statistics of a collection, as they show themselves."""

from __future__ import annotations

from normscope.notebook_html import HtmlTable, notebook_html
from normscope.statistics.collection_numbers import CollectionNumbers
from normscope.statistics.statistics_rows import STANDARD_ERROR, sections_of
from normscope.wording import channels_text, plural

MOST_NUMBERS = 4
"""Channels whose numbers stand in one line."""


class CollectionStatistics(CollectionNumbers):
    """What pixels are like; the attributes are those of ``CollectionNumbers``."""

    @property
    def headline(self) -> str:
        """What was counted."""
        images = f"{self.images} {plural(self.images, 'image')}"
        pixels = f"{self.pixels} {plural(self.pixels, 'pixel')}"
        return f"{self.name}: {images}, {pixels}, {self.dtype}, divided by {self.scale:.10g}."

    def __repr__(self) -> str:
        numbers = f"mean {_few(self.mean.value)}, std {_few(self.std.value)}"
        return f"<{type(self).__name__}: {numbers}; {self.headline}>"

    def _repr_html_(self) -> str:
        numbers = f"Mean {_few(self.mean.value)}, std {_few(self.std.value)}."
        rows = [[k, *v] for section in sections_of(self) for k, v in section.items()]
        first = STANDARD_ERROR if self.errors_known else ""
        groups = [] if self.groups is None else [self.groups.sentence]
        odd = [[o.path, str(o.frame), o.reason] for o in self.outliers]
        return notebook_html(
            numbers,
            [self.headline, *groups, *self.notes, *(e.sentence for e in self.explanations)],
            HtmlTable((first, *self.channel_names), rows),
            HtmlTable(("unlike the rest", "frame", "why"), odd, words=True),
            HtmlTable(("skipped", "why"), [image.texts for image in self.skipped], words=True),
        )


def _few(values: tuple[float, ...]) -> str:
    more = ", ..." if len(set(values)) > 1 and len(values) > MOST_NUMBERS else ""
    return channels_text(values[:MOST_NUMBERS]) + more
