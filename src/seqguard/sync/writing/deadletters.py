"""Letters in the target: changes that wait for another row, are dead, or are of a table that is stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seqguard import pg
from seqguard.sync.writing.letters import Letter, change_of, row_text
from seqguard.sync.writing.postgres import row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class DeadLetters:
    """The letters of one sync. Everything here runs in the transaction that is open."""

    def __init__(self, sync: str) -> None:
        self._sync = sync

    def tables(self, connection: pg.Connection, sources: Iterable[str]) -> set[str]:
        """Which of these source tables have letters."""
        query = pg.template("sync/letter_tables")
        found = connection.execute(query, {"sync": self._sync, "sources": list(sources)})
        return {source for (source,) in found}

    def of_rows(self, connection: pg.Connection, source: str, keys: Iterable[str]) -> list[Letter]:
        """The letters of these rows, locked: who tries one of them again has to wait, or is waited for."""
        query = pg.template("sync/letters_of_rows")
        found = connection.execute(query, {"sync": self._sync, "source": source, "keys": list(set(keys))})
        return [_letter(*columns) for columns in found]

    def of_table(self, connection: pg.Connection, source: str) -> list[Letter]:
        """The letters of a table, locked."""
        query = pg.template("sync/letters_of_table")
        return [
            _letter(*columns) for columns in connection.execute(query, {"sync": self._sync, "source": source})
        ]

    def is_due(self, connection: pg.Connection) -> bool:
        """Whether letters wait whose time has come."""
        return bool(row(connection, pg.template("sync/waiting"), {"sync": self._sync})[0])

    def due(self, connection: pg.Connection, limit: int, *, together: bool) -> list[tuple[Letter, bool]]:
        """Waiting letters, locked, without those that another worker has at hand, and whether their time has come.

        Only such letters, or, together, the others, too: the first that are to be tried are the due ones.
        """
        query = pg.template("sync/letters_due")
        parameters = {"sync": self._sync, "limit": limit, "together": together}
        return [(_letter(*columns), is_due) for *columns, is_due in connection.execute(query, parameters)]

    def by_id(self, connection: pg.Connection, ids: Sequence[int]) -> list[Letter]:
        """These letters, locked."""
        query = pg.template("sync/letters_by_id")
        return [_letter(*columns) for columns in connection.execute(query, {"sync": self._sync, "ids": ids})]

    def drop(self, connection: pg.Connection, ids: Sequence[int]) -> int:
        """Forget letters; returns how many there were."""
        query = pg.template("sync/drop_letters")
        return connection.execute(query, {"sync": self._sync, "ids": list(ids)}).rowcount

    def put(
        self, connection: pg.Connection, letters: Sequence[Letter], patience: float
    ) -> dict[str, dict[str, int]]:
        """Store letters, those that have an id in their place; returns how many by state and source table.

        A letter that was tried in vain after `patience` seconds is dead.
        """
        query = pg.template("sync/put_letters")
        parameters = {"sync": self._sync, "patience": patience, **_columns(letters)}
        counts: dict[str, dict[str, int]] = {}
        for source, state in connection.execute(query, parameters):
            by_source = counts.setdefault(state, {})
            by_source[source] = by_source.get(source, 0) + 1
        return counts


def _columns(letters: Sequence[Letter]) -> dict[str, list[Any]]:
    changes = [letter.change for letter in letters]
    return {
        "ids": [letter.id for letter in letters],
        "sources": [change.table for change in changes],
        "keys": [letter.key for letter in letters],
        "old_keys": [letter.old_key for letter in letters],
        "states": [letter.state for letter in letters],
        "sqlstates": [letter.sqlstate for letter in letters],
        "errors": [_printable(letter.error) for letter in letters],
        "details": [_printable(letter.detail) for letter in letters],
        "befores": [row_text(change.before) for change in changes],
        "afters": [row_text(change.after) for change in changes],
        "streams": [change.position.stream for change in changes],
        "offsets": [json.dumps(change.position.offset) for change in changes],
        "times": [change.at for change in changes],
    }


def _printable(text: str) -> str:
    """What text can hold: a message may quote the value that was refused."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _letter(
    number: int,
    source: str,
    key: str,
    old_key: str | None,
    state: Any,
    sqlstate: str,
    error: str,
    detail: str,
    before: str | None,
    after: str | None,
    stream: str,
    offset: Any,
    at: Any,
) -> Letter:
    change = change_of(source, before, after, stream, offset, at)
    return Letter(change, key, old_key, state, sqlstate, error, detail, number)
