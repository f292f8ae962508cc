"""docs/commands.md: what every command says of itself with --help."""

from __future__ import annotations

import click

from seqguard.cli.main import cli

WIDTH = 100
HEAD = """\
# Commands

Generated from the commands themselves: `python3 tasks.py build` writes this page.
What each does in practice is told on a page of its own, with examples.
"""


def command_reference() -> str:
    """The --help of the program and of each command, in the order in which they were added."""
    top = click.Context(cli, info_name="seqguard", terminal_width=WIDTH, **cli.context_settings)
    sections = [f"## seqguard\n\n{_help(top)}"]
    for name, command in cli.commands.items():
        context = click.Context(command, info_name=name, parent=top, terminal_width=WIDTH)
        sections.append(f"## {name}\n\n{_help(context)}\nMore: [seqguard {name}](commands/{name}.md)\n")
    return "\n".join([HEAD, *sections])


def _help(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```\n"
