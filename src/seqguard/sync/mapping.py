"""The mapping: which source table goes to which target table, and what becomes of its columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seqguard.sync.event import Value


@dataclass(frozen=True, slots=True)
class TableMapping:
    """One source table and where it goes.

    key: the source columns that identify a row; their targets must be unique in the target.
    columns: target column by source column, every mapped column in the order of the source table.
    values: by source column, what a value becomes; what is not listed is an error for that row.
    constants: target columns that get the same value in every row.
    ignore: by source column, values of rows that are not taken at all, neither written nor deleted:
      what keeps a row that we wrote from coming back.
    only: by source column, values of rows that are wanted; as with PostgreSQL's row filters, a row
      that leaves the filter is deleted from the target, one that enters it is inserted.
    zero_dates: what a zero date becomes: an error for that row, or NULL.
    """

    source: str
    target_schema: str
    target_table: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    constants: Mapping[str, Value] = field(default_factory=dict)
    ignore: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    only: Mapping[str, frozenset[Value]] = field(default_factory=dict)
    zero_dates_as_null: bool = False
