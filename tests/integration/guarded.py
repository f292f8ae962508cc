"""Asks a guarded database."""

from __future__ import annotations

from conftest import Connection, one

import seqguard

USERS = "CREATE TABLE users (id serial PRIMARY KEY, name text UNIQUE)"


def ordinary_insert(db: Connection, table: str = "users") -> int:
    """The id that an insert without one gets."""
    return int(one(db, f"INSERT INTO {table} DEFAULT VALUES RETURNING id"))


def states(db: Connection) -> dict[str, str]:
    """The state of the guard on each column."""
    return {f"{guard.table}.{guard.column}": guard.state for guard in seqguard.guards(db)}


def status(db: Connection, sequence: str) -> str:
    """The verdict on a sequence."""
    return next(report.status for report in seqguard.check(db).sequences if report.sequence == sequence)
