"""Foreign keys of the source that change rows without a trace in its binlog: the target's must do the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.sync.checking.agreement import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seqguard.sync.checking.agreement import Known
    from seqguard.sync.mysql.client import Cascade

    Link = tuple[int, int, frozenset[tuple[str, str]]]
    """A foreign key of the target: the oids of both tables, and which column references which."""

_SILENT = {"CASCADE", "SET NULL"}
_ACTIONS = {"c": "CASCADE", "n": "SET NULL"}


def findings(
    connection: pg.Connection, known: Sequence[Known], keys: Mapping[str, Sequence[Cascade]]
) -> Iterator[Finding]:
    """The keys that no key of the target repeats. keys: by source table."""
    by_source = {one.rules.source: one for one in known}
    repeated = _repeated(connection, [one.target.oid for one in known if one.target])
    for child in known:
        for key in keys.get(child.rules.source, ()) if child.target else ():
            parent = by_source.get(key.parent)
            link = _link(child, parent, key) if parent else None
            lacking = _actions(child, key) - repeated.get(link, set()) if link else _actions(child, key)
            if lacking:
                yield Finding(
                    child.rules.source, "target", _text(child, parent, key, sorted(lacking)), warning=True
                )


def _repeated(connection: pg.Connection, tables: Sequence[int]) -> dict[Link, set[str]]:
    found: dict[Link, set[str]] = {}
    with pg.reading(connection, pg.Timeouts()) as cursor:
        rows = cursor.execute(pg.template("sync/target_cascades"), {"tables": list(tables)}).fetchall()
    for child, parent, here, there, on_delete, on_update in rows:
        actions = found.setdefault((child, parent, frozenset(zip(here, there, strict=True))), set())
        actions |= {f"ON DELETE {_ACTIONS.get(on_delete)}", f"ON UPDATE {_ACTIONS.get(on_update)}"}
    return found


def _link(child: Known, parent: Known, key: Cascade) -> Link | None:
    """The key in the target's terms, None where something of it is not mapped."""
    pairs = frozenset(
        (to, referenced)
        for here, there in key.columns
        if (to := child.rules.target_of(here)) and (referenced := parent.rules.target_of(there))
    )
    if not child.target or not parent.target or len(pairs) < len(key.columns):
        return None
    return child.target.oid, parent.target.oid, pairs


def _actions(child: Known, key: Cascade) -> set[str]:
    """What a key does to rows that go over; what it does to columns that are left out is no matter."""
    done = {f"ON DELETE {key.on_delete}"} if key.on_delete in _SILENT else set()
    if key.on_update in _SILENT:
        done.add(f"ON UPDATE {key.on_update}")
    if any(child.rules.target_of(here) for here, _ in key.columns):
        return done
    return done & {"ON DELETE CASCADE"}


def _text(child: Known, parent: Known | None, key: Cascade, lacking: Sequence[str]) -> str:
    actions = " ".join(lacking)
    where = parent.rules.target if parent else f"the table that {key.parent} goes to: map it, too"
    return (
        f"foreign key {key.name} of {child.rules.source} is {actions}, of which MySQL writes nothing to its binlog:"
        f" rows of {child.rules.target} will not follow. Give it a foreign key with {actions} to {where}"
    )
