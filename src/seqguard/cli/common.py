"""What the commands share: connection, selection, timeouts, progress."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, TypedDict

import click

from seqguard.errors import SeqguardError
from seqguard.redaction import URI
from seqguard.render.printable import printable

if TYPE_CHECKING:
    from seqguard.pg import Connection

Command = Callable[..., Any]

_URI_WITHOUT_SCHEME = re.compile(r'[^/"= ]+:[^"= ]*@')
"""user:password@host"""
NOT_QUOTED = "CONNINFO is one argument: quote it"
_UNITS = {"": 1, "ms": 1, "s": 1_000, "min": 60_000}


class Duration(click.ParamType[int]):
    """A time as PostgreSQL writes it: 500ms, 2s, 1min, or plain milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+) ?(ms|s|min|)", value)
        if not match:
            self.fail(f"{value!r} is no time: write 500ms, 2s or 1min", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class Pattern(click.types.StringParamType):
    """A pattern of names. Several in an environment variable are separated by spaces outside double quotes."""

    name = "pattern"

    def split_envvar_value(self, rv: str) -> list[str]:
        """The patterns in the value of an environment variable."""
        return re.findall(r'(?:"[^"]*"|\S)+', rv)


def looks_like_conninfo(word: str) -> bool:
    """Whether a word can only be a connection string, not a table or a database."""
    return "=" in word or "://" in word or _URI_WITHOUT_SCHEME.match(word) is not None


def conninfo_of(word: str) -> str:
    """A connection string; a plain word is a database, as for psql.

    Raises SeqguardError for what would be taken for a database and shown with its password.
    """
    from psycopg.conninfo import make_conninfo

    if not word or URI.match(word):
        return word
    if "://" in word.split("=", maxsplit=1)[0] or _URI_WITHOUT_SCHEME.match(word):
        raise SeqguardError("a URI starts with postgresql:// or postgres://, and this one does not")
    return word if "=" in word else make_conninfo(dbname=word)


def _only(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> str:
    """The one word given. What is too much is not shown: it may be a password."""
    if len(words) > 1:
        raise click.UsageError(NOT_QUOTED)
    return "".join(words)


conninfo_argument = click.argument("conninfo", nargs=-1, metavar="[CONNINFO]", callback=_only)


@contextlib.contextmanager
def connected(conninfo: str) -> Iterator[Connection]:
    """A connection for one command."""
    from seqguard import pg

    with _telling_tables(conninfo):
        connection = pg.connect(conninfo_of(conninfo))
    with contextlib.closing(connection):
        yield connection


@contextlib.contextmanager
def _telling_tables(conninfo: str) -> Iterator[None]:
    """When a plain word is no database, say how a table is chosen: for guard it is a plain word."""
    try:
        yield
    except SeqguardError as error:
        if f'database "{conninfo}" does not exist' not in str(error):
            raise
        raise SeqguardError(f"{error}. A table is chosen with -t {conninfo}") from None


def selecting(command: Command) -> Command:
    """Add the options that choose tables; the command gets `selection`."""

    @click.option("-n", "--schema", type=Pattern(), multiple=True, help="Only tables in these schemas.")
    @click.option("-t", "--table", type=Pattern(), multiple=True, help="Only these tables.")
    @click.option("--exclude-table", type=Pattern(), multiple=True, help="Not these tables.")
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        schema: tuple[str, ...],
        table: tuple[str, ...],
        exclude_table: tuple[str, ...],
        **options: Any,
    ) -> Any:
        from seqguard.selection import Selection

        return command(*args, selection=Selection(schema, table, exclude_table), **options)

    return wrapped


def timed(lock: str = "1s", statement: str = "0") -> Callable[[Command], Command]:
    """Add the timeouts; the command gets `timeouts`."""

    def decorate(command: Command) -> Command:
        @click.option(
            "--lock-timeout",
            type=Duration(),
            default=lock,
            show_default=True,
            help="Wait no longer for a lock: 500ms, 2s; 0 waits for ever.",
        )
        @click.option(
            "--statement-timeout",
            type=Duration(),
            default=statement,
            show_default=True,
            help="Let no statement run longer: 30s, 5min; 0 sets no bound.",
        )
        @functools.wraps(command)
        def wrapped(*args: Any, lock_timeout: int, statement_timeout: int, **options: Any) -> Any:
            from seqguard import pg

            return command(*args, timeouts=pg.Timeouts(lock_timeout, statement_timeout), **options)

        return wrapped

    return decorate


JOBS = 2
jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=JOBS,
    show_default=True,
    help="Read over so many connections where there are thousands of columns.",
)


def formatted(*formats: str) -> Callable[[Command], Command]:
    """Add --format; the command gets `output`."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print the result.",
    )


class Told(TypedDict):
    """Who is told how far work has come, as seqguard.check() and seqguard.fix() take it."""

    expect: Callable[[int], None]
    progress: Callable[[int], None]
    at: Callable[[str], None]


class Progress:
    """How far work has come: one line on a terminal once it has taken a second, nothing elsewhere.

    A thread draws it, for the work itself may wait for one statement for minutes.
    """

    NOTICEABLE, REDRAWN = 1.0, 0.2
    WIDTH = 30

    def __init__(self, label: str) -> None:
        self._label = label
        self._done, self._count, self._name = 0, 0, ""
        self._finished = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._thread = threading.Thread(target=self._draw, args=[time.monotonic()], daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._finished.set()
        if self._thread:
            self._thread.join()

    @property
    def told(self) -> Told:
        """What the work is to call."""
        return {"expect": self.expect, "progress": self.advance, "at": self.at}

    def expect(self, count: int) -> None:
        """So much is to be done."""
        self._count = count

    def advance(self, count: int) -> None:
        """So much more is done."""
        self._done += count
        self._name = ""

    def at(self, name: str) -> None:
        """What is being done now."""
        self._name = printable(name)

    def line(self, seconds: float) -> str:
        """What is shown after so many seconds."""
        parts = [self._label]
        if self._count:
            marks = self.WIDTH * self._done // self._count
            parts.append(f"[{'#' * marks:-<{self.WIDTH}}] {self._done} of {self._count}")
        return "  ".join(filter(None, [*parts, f"{seconds:.0f} s", self._name]))

    def _draw(self, started: float) -> None:
        if self._finished.wait(self.NOTICEABLE):
            return
        width = 0
        while True:
            columns = shutil.get_terminal_size().columns - 1
            line = self.line(time.monotonic() - started)[:columns]
            click.echo("\r" + line.ljust(width), file=sys.stderr, nl=False)
            width = len(line)
            if self._finished.wait(self.REDRAWN):
                break
        click.echo(f"\r{' ' * width}\r", file=sys.stderr, nl=False)
