"""The command line: one file per command, and what they share."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its status."""
    import sys

    from normscope.cli.app import run

    sys.exit(run(sys.argv[1:]))
