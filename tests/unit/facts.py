"""A fed column as the catalogs would have it, and what was read of it."""

from __future__ import annotations

from seqguard.model import FedColumn, Reading, State

_TEXTS = {
    "sequence_schema": "public",
    "sequence_name": "t_id_seq",
    "sequence": "public.t_id_seq",
    "sequence_owner": "postgres",
    "table_schema": "public",
    "table_name": "t",
    "table": "public.t",
    "column_name": "id",
    "column": "id",
    "kind": "serial",
    "furthest_query": "SELECT max(id) FROM ONLY public.t",
    "guard_state": "missing",
}
_OTHERS = {
    "sequence_oid": 16384,
    "table_oid": 16385,
    "increment": 1,
    "minimum": 1,
    "maximum": 2**63 - 1,
    "cache": 1,
    "cycle": False,
    "is_owner": True,
    "indexed": True,
}

FACT = FedColumn(**(dict.fromkeys(FedColumn._fields) | _TEXTS | _OTHERS))  # type: ignore[arg-type]


def readings(*furthest: int | None, last_value: int = 1) -> tuple[Reading, ...]:
    """One reading for each column of a sequence."""
    return tuple(Reading(value, State(last_value, is_called=True)) for value in furthest)
