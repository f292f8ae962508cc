"""What the catalogs say of the selected sequences and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.selection import NoSuchTableError, quoting_hint, table_matches

if TYPE_CHECKING:
    from seqguard.model import FedColumn
    from seqguard.pg import Connection
    from seqguard.selection import Selection

_KINDS = {
    "v": "is a view: name the table behind it",
    "m": "is a materialized view: name the table behind it",
    "f": "is a foreign table: run seqguard where its data lives",
    "S": "is a sequence: name the table that it feeds",
}


def selected_columns(
    connection: Connection,
    selection: Selection,
    timeouts: pg.Timeouts,
    *,
    unattached: bool = False,
    guards: bool = False,
) -> list[FedColumn]:
    """The fed columns of the selection, sequence by sequence; with guards, also what installing one takes.

    Raises SeqguardError for a pattern that matches nothing, saying what the name stands for.
    """
    facts = pg.fed_columns(connection, timeouts, guards=guards)
    try:
        return selection.apply(facts, unattached=unattached)
    except NoSuchTableError as error:
        raise _why_not(connection, error.pattern, timeouts) from None


def _why_not(connection: Connection, pattern: str, timeouts: pg.Timeouts) -> SeqguardError:
    relations = pg.relations(connection, timeouts)
    for schema, name, kind in relations:
        if table_matches(pattern, schema, name):
            what = _KINDS.get(kind, "has no column that a sequence feeds: leave it out")
            return SeqguardError(f"{schema}.{name} {what}")
    hint = quoting_hint(pattern, ((schema, name) for schema, name, _ in relations))
    return NoSuchTableError(
        pattern, f'no table matches "{pattern}" in database "{connection.info.dbname}"{hint}'
    )
