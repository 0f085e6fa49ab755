"""What the site is given as it is built: every command and option, formulas, unbroken options."""

from __future__ import annotations

import html
import re

import typer
from latex2mathml.converter import convert
from typer.cli import get_docs_for_click

from normscope.cli.app import command_line

COMMANDS = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the help of all commands in the place that a page keeps for it."""
    return markdown.replace(COMMANDS, commands()) if COMMANDS in markdown else markdown


FORMULA = re.compile(
    r'<(?:span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</(?:span|div)>', re.DOTALL
)


CODE = re.compile(r"(?<=<code)[ >].*?(?=</code>)", re.DOTALL)
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*(?![^<>]*>)")


def on_page_content(content: str, **_: object) -> str:
    """Write formulas as browsers show them by themselves, so that no script is fetched."""
    return FORMULA.sub(_mathml, CODE.sub(_unbroken, content))


def _unbroken(code: re.Match[str]) -> str:
    """Keep an option such as ``--out`` on one line: browsers break lines behind its hyphens."""
    return OPTION.sub(r'<span class="option">\g<0></span>', code[0])


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found[0].startswith("<div") else "inline"
    return convert(html.unescape(found[1]), display=display)


def commands() -> str:
    """Usage, arguments and options of each, as Markdown."""
    group = typer.main.get_command(command_line([]))
    context = typer.Context(group, info_name="normscope")
    texts = [
        get_docs_for_click(obj=command, ctx=context, name=name, call_prefix="normscope", indent=1)
        for name, command in group.commands.items()
    ]
    return re.sub(r"(?m)^(\* `[^`]*`: )?(.*)$", _line_of_help, "\n".join(texts))


def _line_of_help(line: re.Match[str]) -> str:
    """Help is no Markdown: its stars are stars, and its example is a command."""
    option, text = line.groups()
    if option:
        shown = option.replace("` / ", "`")  # a flag that only switches off
        return shown + re.sub(r"[*_<]", r"\\\g<0>", text)
    return re.sub(r"^Example: (.*)", r"**Example**:\n\n```shell\n\1\n```", text)
