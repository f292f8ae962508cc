"""docs/commands.md: what every command says of itself with --help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seqguard.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        helps = [f"## {name}\n\n{_help(_below(top, name, command))}"]
        helps += [
            f"### {path}\n\n{_help(context)}" for path, context in _subcommands(_below(top, name, command))
        ]
        sections.append("\n".join(helps) + f"\nMore: [seqguard {name}](commands/{name}.md)\n")
    return "\n".join([HEAD, *sections])


def _subcommands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    """The commands of a group, and of the groups in it, each with its path from the program on."""
    group = context.command
    for name, command in group.commands.items() if isinstance(group, click.Group) else ():
        below = _below(context, name, command)
        yield below.command_path.removeprefix("seqguard "), below
        yield from _subcommands(below)


def _below(context: click.Context, name: str, command: click.Command) -> click.Context:
    return click.Context(command, info_name=name, parent=context, terminal_width=WIDTH)


def _help(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```\n"
