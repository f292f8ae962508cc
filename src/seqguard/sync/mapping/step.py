"""What a change means for the target: the mapping's answer, the writer's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqguard.sync.event import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seqguard.sync.event import Change
    from seqguard.sync.mapping.table import TableMapping

Key = tuple[Value, ...]
"""The values of the key's target columns, in the mapping's order."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """Let the row be there as it is now. row holds every mapped column and constant by its target name."""

    table: TableMapping
    key: Key
    row: Mapping[str, Value]
    change: Change


@dataclass(frozen=True, slots=True)
class Delete:
    """Let no row with this key be there."""

    table: TableMapping
    key: Key
    change: Change


@dataclass(frozen=True, slots=True)
class Rekey:
    """The row with the old key has a new one, and may have changed otherwise."""

    table: TableMapping
    old_key: Key
    key: Key
    row: Mapping[str, Value]
    change: Change


@dataclass(frozen=True, slots=True)
class Truncate:
    """The source table was emptied."""

    table: TableMapping
    change: Change


Step = Upsert | Delete | Rekey | Truncate
