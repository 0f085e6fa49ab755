"""Tells whether your image normalization matters, whether it is right, and what it should be."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from normscope._version import __version__

if TYPE_CHECKING:
    from normscope.auditing.audit import audit
    from normscope.checking.check import check
    from normscope.checking.watching import watch
    from normscope.deploy.folding import fold
    from normscope.deploy.saving import load_folded
    from normscope.detection.detecting import detect
    from normscope.errors import NormscopeError
    from normscope.findings.search_findings import SearchSummary
    from normscope.findings.search_summary import summarize_search
    from normscope.findings.summary import Summary, summarize
    from normscope.init_scale import InitScale
    from normscope.normalization import Normalization
    from normscope.reports.writing import report
    from normscope.statistics.stats import stats
    from normscope.studies.scan import scan
    from normscope.studies.search import search
    from normscope.studies.search_study import SearchStudy
    from normscope.studies.study import Study
    from normscope.trials.single import train

_HOMES = {
    "InitScale": "normscope.init_scale",
    "Normalization": "normscope.normalization",
    "NormscopeError": "normscope.errors",
    "SearchStudy": "normscope.studies.search_study",
    "SearchSummary": "normscope.findings.search_findings",
    "Study": "normscope.studies.study",
    "Summary": "normscope.findings.summary",
    "audit": "normscope.auditing.audit",
    "check": "normscope.checking.check",
    "detect": "normscope.detection.detecting",
    "fold": "normscope.deploy.folding",
    "load_folded": "normscope.deploy.saving",
    "report": "normscope.reports.writing",
    "scan": "normscope.studies.scan",
    "search": "normscope.studies.search",
    "stats": "normscope.statistics.stats",
    "summarize": "normscope.findings.summary",
    "summarize_search": "normscope.findings.search_summary",
    "train": "normscope.trials.single",
    "watch": "normscope.checking.watching",
}

__all__ = [
    "InitScale",
    "Normalization",
    "NormscopeError",
    "SearchStudy",
    "SearchSummary",
    "Study",
    "Summary",
    "__version__",
    "audit",
    "check",
    "detect",
    "fold",
    "load_folded",
    "report",
    "scan",
    "search",
    "stats",
    "summarize",
    "summarize_search",
    "train",
    "watch",
]


def __getattr__(name: str) -> Any:
    # Names are imported when they are first used: reading a study must not import torch.
    if name in _HOMES:
        try:
            return getattr(importlib.import_module(_HOMES[name]), name)
        except ModuleNotFoundError as error:
            from normscope.errors import EXTRAS, MissingExtra

            if error.name not in EXTRAS:
                raise
            raise MissingExtra(error.name) from None
    raise AttributeError(f"module 'normscope' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
