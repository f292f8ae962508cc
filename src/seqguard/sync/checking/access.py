"""What the accounts at both ends may do, and what else rows depend on beside the mapping."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.sync.checking.agreement import Finding
from seqguard.sync.mapping.config import BinlogSource
from seqguard.sync.mysql import binlog_server, client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seqguard.model import FedColumn
    from seqguard.sync.checking.agreement import Known
    from seqguard.sync.mapping.config import Config
    from seqguard.sync.target.catalog import TargetTable


def of_source(config: Config) -> list[Finding]:
    """Settings of the MySQL server, and privileges of the account, that keep the binlog from being read."""
    if not isinstance(config.source, BinlogSource):
        return []
    with closing(client.connect(config.source.mysql.option_file)) as connection:
        return [Finding("", "source", fault) for fault in binlog_server.faults(connection)]


def of_positions(connection: pg.Connection) -> tuple[list[Finding], bool]:
    """What keeps this role from storing positions; and whether some may be there, and can be read."""
    with pg.reading(connection, pg.Timeouts()) as cursor:
        ((is_there, grants),) = cursor.execute(pg.template("sync/may_store")).fetchall()
    text = "this role may not keep positions and dead letters in schema seqguard_sync: "
    return [Finding("", "target", text + grant) for grant in grants], is_there and not grants


def streams(connection: pg.Connection, sync: str) -> dict[str, Mapping[str, object]]:
    """Where each stream of a sync stands."""
    with pg.reading(connection, pg.Timeouts()) as cursor:
        rows = cursor.execute(pg.template("sync/progress"), {"sync": sync}).fetchall()
    return {row[0]: row[1] for row in rows}


def of_target(connection: pg.Connection, known: Sequence[Known]) -> Iterator[Finding]:
    """Privileges on tables and on the sequences of written columns, and tables that reference each other."""
    targets = {one.target.oid: one.target for one in known if one.target}
    yield from _of_tables(connection, list(targets.values()))
    yield from _of_sequences(connection, known)
    yield from _of_cycles(connection, targets)


def _of_tables(connection: pg.Connection, targets: Sequence[TargetTable]) -> Iterator[Finding]:
    """One statement for all tables that lack the same."""
    lacking: dict[tuple[str, ...], list[str]] = {}
    for target in targets:
        if target.lacking:
            lacking.setdefault(target.lacking, []).append(_quoted(connection, target.schema, target.name))
    for privileges, tables in lacking.items():
        grant = f"GRANT {', '.join(privileges)} ON {', '.join(tables)} TO {_quoted(connection)}"
        yield Finding("", "target", f"this role may not write {', '.join(tables)}: {grant}")


def _of_sequences(connection: pg.Connection, known: Sequence[Known]) -> Iterator[Finding]:
    """Sequences that neither this role nor a guard moves."""
    written = {
        (one.target.oid, column): one.rules.source
        for one in known
        if one.target
        for column in [*(to for _, to in one.pairs), *one.rules.constants]
        if column in one.target.fed
    }
    if not written:
        return
    fed = [
        fact
        for fact in pg.fed_columns(connection, pg.Timeouts())
        if (fact.table_oid, fact.column_name) in written and fact.guard_state != "installed"
    ]
    movable = _movable(connection, fed)
    for fact in fed:
        if fact.sequence_oid not in movable:
            source = written[fact.table_oid or 0, fact.column_name or ""]
            yield Finding(source, "target", _immovable(connection, fact), warning=True)


def _movable(connection: pg.Connection, facts: Sequence[FedColumn]) -> set[int]:
    with pg.reading(connection, pg.Timeouts()) as cursor:
        parameters = {"sequences": [fact.sequence_oid for fact in facts]}
        return {oid for (oid,) in cursor.execute(pg.template("sync/may_step"), parameters)}


def _immovable(connection: pg.Connection, fact: FedColumn) -> str:
    return (
        f"this role cannot move sequence {fact.sequence}, which feeds {fact.table}.{fact.column} and has no guard:"
        f" GRANT USAGE, SELECT ON SEQUENCE {fact.sequence} TO {_quoted(connection)}, or install a guard"
        " with `seqguard guard`"
    )


def _of_cycles(connection: pg.Connection, targets: Mapping[int, TargetTable]) -> Iterator[Finding]:
    """Tables that reference each other where no constraint can be deferred: no order of the rows is right."""
    for cycle in cycles({oid: target.references for oid, target in targets.items()}):
        with pg.reading(connection, pg.Timeouts()) as cursor:
            ((deferrable,),) = cursor.execute(pg.template("sync/deferrable"), {"tables": cycle}).fetchall()
        if not deferrable:
            names = ", ".join(_quoted(connection, targets[oid].schema, targets[oid].name) for oid in cycle)
            text = (
                f"{names} reference each other, and none of the constraints can be deferred: rows that need each other"
                " become dead letters. ALTER TABLE ... ALTER CONSTRAINT ... DEFERRABLE"
            )
            yield Finding("", "target", text, warning=True)


def cycles(references: Mapping[int, frozenset[int]]) -> list[list[int]]:
    """The groups of tables, by oid, that reference each other, directly or by way of others. Pure."""
    reached = {table: _reached(table, references) for table in references}
    groups = {
        tuple(sorted(other for other in reached[table] if table in reached.get(other, ())))
        for table in references
        if table in reached[table]
    }
    return [list(group) for group in sorted(groups)]


def _reached(table: int, references: Mapping[int, frozenset[int]]) -> set[int]:
    found: set[int] = set()
    ahead = [table]
    while ahead:
        new = references.get(ahead.pop(), frozenset()) - found
        found |= new
        ahead += new
    return found


def _quoted(connection: pg.Connection, *names: str) -> str:
    """A name as it stands in a statement; without one, the role's."""
    with pg.reading(connection, pg.Timeouts()) as cursor:
        ((quoted,),) = cursor.execute(pg.template("sync/quoted"), {"names": list(names)}).fetchall()
    return str(quoted)
