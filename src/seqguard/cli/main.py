"""The entry point: command group, exit codes, signals."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from seqguard.cli.check import check
from seqguard.cli.demo import demo
from seqguard.cli.fix import fix
from seqguard.cli.guard import guard
from seqguard.cli.script import script
from seqguard.cli.sync import sync
from seqguard.cli.unguard import unguard
from seqguard.errors import SeqguardError
from seqguard.redaction import masked
from seqguard.render.printable import printable
from seqguard.version import __version__

if TYPE_CHECKING:
    from types import FrameType

FOUND, COULD_NOT_RUN = 1, 2
OPTIONS_OF_PSQL = ("-d", "-h", "-p", "-U")
EXTRAS = {
    "confluent_kafka": "kafka",
    **dict.fromkeys(("prometheus_client", "pymysql", "pymysqlreplication", "rich", "structlog"), "sync"),
}
"""By package: the extra of seqguard that brings it."""


@click.group(
    epilog="Exit code: 0 in sync or done, 1 findings or some left undone, 2 could not run.",
)
@click.version_option(__version__)
def cli() -> None:
    """Keep PostgreSQL sequences ahead of the columns that they feed.

    check finds every sequence that has fallen behind its data, fix moves it forward, guard
    installs triggers that keep it there whoever inserts.

    CONNINFO is a connection string or URI as psql takes it. Without one, libpq's environment
    variables (PGHOST, PGDATABASE, PGSERVICE, ...) and ~/.pgpass apply. Keep passwords there.
    """


def _name_variables(command: click.Command, *groups: str) -> None:
    """Give each option an environment variable, named in --help."""
    path = (*groups, command.name or "")
    for option in command.params:
        if isinstance(option, click.Option):
            name = "_".join(["seqguard", *path, option.opts[-1].lstrip("-")])
            option.envvar = name.replace("-", "_").upper()
            option.show_envvar = True
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _name_variables(below, *path)


for _command in (check, fix, guard, unguard, script, sync, demo):
    _name_variables(_command)
    cli.add_command(_command)


class Terminated(KeyboardInterrupt):
    """SIGTERM. A KeyboardInterrupt, because that makes the driver cancel what the server runs."""


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, 1 or 2 as documented, 130 and 143 on signals."""
    signal.signal(signal.SIGTERM, _terminate)
    options: dict[str, Any] = {"color": False} if os.environ.get("NO_COLOR") else {}
    try:
        sys.exit(cli.main(arguments, prog_name="seqguard", standalone_mode=False, **options))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(COULD_NOT_RUN)
    except (click.Abort, KeyboardInterrupt) as interruption:
        terminated = isinstance(interruption.__context__ or interruption, Terminated)
        sys.exit(128 + (signal.SIGTERM if terminated else signal.SIGINT))
    except Exception as error:
        messages = _explained(error)
        if not messages:
            raise
        _fail(*messages)


def _explained(error: Exception) -> tuple[str, ...]:
    """What to tell of an error, a line each; nothing of one that nobody has foreseen."""
    if isinstance(error, click.ClickException):
        return (_usage(error),)
    if isinstance(error, SeqguardError):
        return error.lines
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        return (f"{error.name} is not installed: pip install 'seqguard[{EXTRAS[error.name]}]'",)
    if isinstance(error, OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what could not be written is not tried again at the end
        return (f"{error.filename or 'cannot write the output'}: {error.strerror or error}",)
    if _is_database_error(error):
        return (_explain(error),)
    return ()


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and error.option_name in OPTIONS_OF_PSQL:
        return "CONNINFO is an argument: 'host=... dbname=...'"
    message = error.format_message().rstrip(".")
    stop = "" if message.endswith("?") else "."
    return f"{message}{stop} See {context.command_path} --help" if context else message


def _fail(*messages: str) -> NoReturn:
    for message in messages:
        click.echo(f"seqguard: {printable(masked(message))}", err=True)
    sys.exit(COULD_NOT_RUN)


def _is_database_error(error: Exception) -> bool:
    if "psycopg" not in sys.modules:
        return False
    import psycopg

    return isinstance(error, psycopg.Error)


def _explain(error: Exception) -> str:
    from seqguard import pg

    return pg.explain(error)
