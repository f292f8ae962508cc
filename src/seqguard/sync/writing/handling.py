"""seqguard sync dead-letters: look at letters, try them again, drop them."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.target.catalog import NoSuchTargetError, read_target
from seqguard.sync.writing.deadletters import DeadLetters
from seqguard.sync.writing.positions import is_installed
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seqguard.sync.mapping.config import Config
    from seqguard.sync.mapping.table import TableMapping, TableRules


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant: by their ids, of a source table, or every one."""

    ids: tuple[int, ...] = ()
    table: str | None = None


def letters(config: Config, table: str | None, limit: int | None) -> list[dict[str, Any]]:
    """The letters of a sync, the oldest first, without their rows."""
    with _target(config) as connection:
        return _dicts(connection, "sync/list_letters", sync=config.name, source=table, limit=limit)


def letter(config: Config, number: int) -> dict[str, Any]:
    """Everything about one letter.

    Raises SeqguardError when there is none of this id.
    """
    with _target(config) as connection:
        found = _dicts(connection, "sync/show_letter", sync=config.name, id=number)
    if not found:
        raise SeqguardError(_no_such(config, [number]))
    return found[0]


@dataclass(frozen=True, slots=True)
class Left:
    """Letters that are left, for one reason: how many, and the first one's id."""

    table: str
    state: str
    error: str
    count: int
    first: int


def retry(config: Config, choice: Choice) -> tuple[int, list[Left]]:
    """Try letters again, beside a running worker or without one; returns how many were applied, and why others not.

    Raises SeqguardError when there is none of one of the ids, or when the target cannot be reached.
    """
    with _target(config) as connection:
        chosen = _chosen(connection, config, choice)
        mappings = _mappings(connection, config.tables, chosen)
    sources = {mapping.source for mapping in mappings}
    ids = [number for number, source, _ in chosen if source in sources]
    with closing(Writer(config.conninfo, config.name, mappings)) as writer:
        applied = writer.retry(ids)
    with _target(config) as connection:
        every = [number for number, _, _ in chosen]
        left = _dicts(connection, "sync/letters_left", sync=config.name, ids=every)
    untried = {source for _, source, _ in chosen} - sources
    return applied, [_left(found, is_tried=found["source"] not in untried) for found in left]


def _left(found: dict[str, Any], *, is_tried: bool) -> Left:
    error = found["error"] if is_tried else "the mapping file does not name the table, or the target lacks it"
    names = ("state", "count", "first")
    return Left(table=found["source"], error=error, **{name: found[name] for name in names})


def drop(config: Config, choice: Choice) -> int:
    """Forget letters; returns how many.

    Raises SeqguardError when there is none of one of the ids.
    """
    with _target(config) as connection:
        chosen = _chosen(connection, config, choice)
        return DeadLetters(config.name).drop(connection, [number for number, _, _ in chosen])


@contextmanager
def _target(config: Config) -> Iterator[pg.Connection]:
    with closing(pg.connect(config.conninfo)) as connection:
        if not is_installed(connection):
            raise SeqguardError("the target has no schema seqguard_sync: no sync has run into it yet")
        yield connection


def _chosen(connection: pg.Connection, config: Config, choice: Choice) -> list[tuple[int, str, list[str]]]:
    parameters = {"sync": config.name, "ids": list(choice.ids) or None, "source": choice.table}
    chosen = connection.execute(pg.template("sync/choose_letters"), parameters).fetchall()
    missing = sorted(set(choice.ids) - {number for number, _, _ in chosen})
    if missing:
        raise SeqguardError(_no_such(config, missing))
    return chosen


def _no_such(config: Config, ids: Sequence[int]) -> str:
    return f"sync {config.name} has no letter {', '.join(map(str, ids))}: it may have been applied meanwhile"


def _mappings(
    connection: pg.Connection, tables: Sequence[TableRules], chosen: Sequence[tuple[int, str, list[str]]]
) -> list[TableMapping]:
    """The mappings of the letters' tables, as far as the target has them, by the columns that the letters bring."""
    found = []
    for rules in tables:
        columns = dict.fromkeys(name for _, source, names in chosen if source == rules.source for name in names)
        if columns:
            try:
                target = read_target(connection, rules.target_schema, rules.target_table)
            except NoSuchTargetError:
                continue
            known = [name for name in columns if (rules.target_of(name) or name) in target.columns]
            found.append(rules.complete(dict.fromkeys([*rules.key, *known])))
    return found


def _dicts(connection: pg.Connection, query: str, **parameters: Any) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(pg.template(query), parameters).fetchall()
