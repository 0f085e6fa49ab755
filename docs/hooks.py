"""What the site takes from the code as it is built: every command with its options."""

from __future__ import annotations

import typer
from typer.cli import get_docs_for_click

from normscope.cli.app import command_line

COMMANDS = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the help of all commands in the place that a page keeps for it."""
    return markdown.replace(COMMANDS, commands()) if COMMANDS in markdown else markdown


def commands() -> str:
    """Usage, arguments and options of each, as Markdown."""
    group = typer.main.get_command(command_line([]))
    context = typer.Context(group, info_name="normscope")
    texts = [
        get_docs_for_click(obj=command, ctx=context, name=name, call_prefix="normscope", indent=1)
        for name, command in group.commands.items()
    ]
    return "\n".join(texts)
