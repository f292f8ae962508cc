"""What an error of PostgreSQL means for a change, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.sync.failure import BadValueError
from seqguard.sync.mapping.step import Rekey, Upsert

if TYPE_CHECKING:
    import psycopg

    from seqguard.sync.mapping.step import Step
    from seqguard.sync.writing.sink import Sink

NOT_YET = "the row that this one references is not there; if it comes, this change is applied, if not, it is dead in the end"
_STILL_USED = "other rows still reference this one; when they are gone, it is deleted"
_STILL_USED_AS_IT_WAS = (
    "other rows still reference this one as it was; when they do not any more, this change is applied"
)
_MEANINGS = {
    "22": "the value does not go into the target: change the mapping or the row at the source",
    "23502": "the target wants a value where the source has none: map a column or a constant to it",
    "23514": "the target's check refuses the row: change the row at the source, the mapping (values) or the constraint",
    "P0": "a trigger of the target refuses the row",
}


def explanation(connection: pg.Connection, sink: Sink, step: Step, error: psycopg.Error) -> str:
    """What is in the way, and what to do."""
    state = error.sqlstate or ""
    if state == "23505":
        return _taken(connection, sink, step, error)
    if state == "23503":
        return _referencing(connection, sink, step, error)
    parts = (error.diag.message_detail, meaning(state))
    return ". ".join(part.rstrip(".") for part in parts if part) or pg.explain(error)


def _referencing(connection: pg.Connection, sink: Sink, step: Step, error: psycopg.Error) -> str:
    """Whether the row lacks one that it references, or is referenced itself: the SQLSTATE is the same."""
    if not isinstance(step, Upsert | Rekey):
        return _STILL_USED
    key = {"schema": error.diag.schema_name, "table": error.diag.table_name, "name": error.diag.constraint_name}
    found = connection.execute(pg.template("sync/foreign_key_ends"), key).fetchone()
    here, there = found or (sink.target.oid, None)
    if there != sink.target.oid or (here == there and isinstance(step, Upsert)):
        return NOT_YET
    return _STILL_USED_AS_IT_WAS


def meaning(sqlstate: str) -> str:
    """What an error means whatever the row is, "" where that is not to be told."""
    return _MEANINGS.get(sqlstate) or _MEANINGS.get(sqlstate[:2], "")


def _taken(connection: pg.Connection, sink: Sink, step: Step, error: psycopg.Error) -> str:
    """Which row has what this one wants for itself."""
    name = error.diag.constraint_name or ""
    table = f"{sink.target.schema}.{sink.target.name}"
    if error.diag.table_name != sink.target.name or not isinstance(step, Upsert | Rekey):
        return f"{name} of table {error.diag.table_name} allows each value once"
    columns = _columns_of(connection, sink, name)
    owner = _owner(connection, sink, step, columns)
    key = ", ".join(sink.mapping.target_key)
    has = f"the row of {table} with {key} = {owner}" if owner else f"another row of {table}"
    what = f"the same {', '.join(columns)}" if columns else f"what {name} allows only once"
    return f"{has} has {what}: change or delete one of the two rows, then retry"


def _columns_of(connection: pg.Connection, sink: Sink, index: str) -> list[str]:
    """The columns of a unique index, none where an expression is among them or one is not written here."""
    query = pg.template("sync/unique_columns")
    found = connection.execute(query, {"table": sink.target.oid, "index": index}).fetchone()
    columns: list[str] = list(found[0]) if found and None not in found[0] else []
    return columns if set(columns) <= set(sink.columns) else []


def _owner(connection: pg.Connection, sink: Sink, step: Upsert | Rekey, columns: list[str]) -> str | None:
    if not columns:
        return None
    row = Upsert(step.table, step.key, step.row, step.change)
    try:
        texts = dict(zip(sink.columns, sink.encode([row])[0], strict=True))
    except BadValueError:
        return None
    found = connection.execute(sink.who_has(columns), [texts[name] for name in columns]).fetchone()
    return ", ".join(map(str, found)) if found else None
