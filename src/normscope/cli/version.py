"""Which normscope this is: its version and its commit."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import normscope
from normscope._version import __version__


def version_line() -> str:
    """The version with the commit it was installed from, where that is known.

    Returns:
        For example ``"normscope 0.1.0 (3f2a9c1)"``.
    """
    commit = _commit()
    return f"normscope {__version__} ({commit[:12]})" if commit else f"normscope {__version__}"


def _commit() -> str | None:
    from normscope.machine.environment import git_commit

    checkout = Path(normscope.__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        return git_commit(checkout)
    try:
        # Installers note the commit of a package that came from a repository (PEP 610).
        noted = distribution("normscope").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    return json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
