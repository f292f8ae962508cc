"""Reads the catalogs of both databases and checks a mapping against them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.checking import access, agreement, cascades, fitting
from seqguard.sync.checking.agreement import Finding, Known
from seqguard.sync.checking.starting import Pair, check_list, matched
from seqguard.sync.mapping.config import SECRETS, KafkaSource
from seqguard.sync.mysql import client
from seqguard.sync.mysql.streams import COPIED, STREAM
from seqguard.sync.target.catalog import WRITABLE, NoSuchTargetError, read_target
from seqguard.sync.target.values import encoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seqguard.sync.event import Value
    from seqguard.sync.mapping.config import Config, MySQL
    from seqguard.sync.mapping.table import TableMapping, TableRules
    from seqguard.sync.mysql.client import Cascade, SourceColumn
    from seqguard.sync.target.catalog import TargetColumn, TargetTable


_BY_SNAPSHOT = "with `seqguard sync run FILE --snapshot`"
_BY_SIGNAL = "by an execute-snapshot signal to the connector"


@dataclass(frozen=True, slots=True)
class SourceTables:
    """The columns, the unique keys, and the foreign keys that cascade, of every table of a source database."""

    columns: Mapping[str, list[SourceColumn]]
    unique: Mapping[str, list[frozenset[str]]]
    cascades: Mapping[str, list[Cascade]]


@dataclass(frozen=True, slots=True)
class Began:
    """Whether rows go over already: copied holds the source tables that were, None when that is not known.

    columns: by source table, what was read of it, and where that went.
    """

    goes_on: bool
    copied: frozenset[str] | None
    columns: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def has(self, table: str) -> bool:
        """Whether rows of a table went over."""
        return self.goes_on and (self.copied is None or table in self.copied)


@dataclass(frozen=True, slots=True)
class Examination:
    """What came out. findings: in the order of the file. mappings: complete, empty when there are misfits."""

    findings: tuple[Finding, ...]
    mappings: tuple[TableMapping, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are more than warnings."""
        return tuple(finding for finding in self.findings if not finding.warning)

    @property
    def misfits(self) -> tuple[Finding, ...]:
        """The errors that keep every table from going over."""
        return tuple(finding for finding in self.errors if not finding.stops)


def examine(config: Config, connection: pg.Connection, *, snapshot: bool = False) -> Examination:
    """Check a mapping against the target and, where the file says how to reach it, the source.

    snapshot: the rows are to be copied anew, with all their columns. Writes nothing. Raises SeqguardError when a catalog cannot be read, TransientError when another try may help.
    """
    found = access.of_source(config)
    stores, is_installed = access.of_positions(connection)
    found += stores
    began = _began(config, access.streams(connection, config.name) if is_installed else {})
    sources = read_source(config.mysql) if config.mysql else None
    targets = {table.target: _target(connection, table) for table in config.tables}
    mapped = frozenset((table.target_schema, table.target_table) for table in config.tables)
    known, is_kafka = [], isinstance(config.source, KafkaSource)
    for rules in config.tables:
        source = _columns(rules, sources, config.mysql, found, warning=began.has(rules.source))
        target = targets[rules.target]
        if isinstance(target, Finding):
            found.append(Finding(rules.source, target.key, target.text))
        one = Known(
            rules,
            source,
            _table_or_none(target),
            mapped,
            partial(refused, connection),
            tuple(sources.unique.get(rules.source, ())) if sources else (),
            began.has(rules.source),
            began.columns.get(rules.source, {}),
            _BY_SIGNAL if is_kafka else _BY_SNAPSHOT,
        )
        found += agreement.findings(one)
        known.append(one)
    found += access.of_target(connection, known)
    found += cascades.findings(connection, known, sources.cascades if sources else {})
    wrong = any(not finding.warning and not finding.stops for finding in found)
    awaits = not snapshot and not is_kafka
    mappings = () if wrong else tuple(complete(one, awaits=awaits) for one in known)
    return Examination(tuple(found), mappings)


def read_source(where: MySQL) -> SourceTables:
    """The columns and keys of every table of the source database."""
    with closing(client.connect(where.option_file)) as connection:
        return SourceTables(
            client.columns(connection, where.database),
            client.unique_keys(connection, where.database),
            client.cascades(connection, where.database),
        )


def _began(config: Config, streams: Mapping[str, Mapping[str, object]]) -> Began:
    """What the stored positions of the binlog say, or those of partitions, of which any one is enough."""
    if isinstance(config.source, KafkaSource):
        topics = {name.rpartition("/")[0] for name in streams}
        tables = (table.source for table in config.tables if config.topic(table) in topics)
        return Began(True, frozenset(tables), _brought(streams.values()) if config.mysql else {})
    beside: Mapping[str, Any] = streams.get(COPIED, {})
    copied = frozenset(beside["tables"]) if "tables" in beside else None
    goes_on = STREAM in streams and "snapshot" not in streams[STREAM]
    return Began(goes_on, copied, beside.get("columns", {}))


def _brought(offsets: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str | None]]:
    """By source table, the columns that went over from any partition."""
    found: dict[str, dict[str, str | None]] = {}
    for offset in offsets:
        for table, columns in offset.get("columns", {}).items():
            found.setdefault(table, {}).update(columns)
    return found


def complete(known: Known, *, awaits: bool) -> TableMapping:
    """The mapping with every column, as far as the catalogs tell; new ones are awaited.

    Not where every row has them, as in a snapshot, or tells whether it has them, as in a message of Kafka's.
    """
    awaited = known.awaited if awaits else {}
    mapping = known.rules.complete(name for name, _ in known.pairs if name not in awaited)
    return replace(mapping, awaited=awaited, stopped=agreement.lost_text(known))


def _columns(
    rules: TableRules,
    sources: SourceTables | None,
    where: MySQL | None,
    found: list[Finding],
    *,
    warning: bool,
) -> dict[str, SourceColumn] | None:
    if sources is None or where is None:
        return None
    if rules.source not in sources.columns:
        found.append(agreement.missing_source(rules, where.database, sources.columns, warning=warning))
        return None
    return {column.name: column for column in sources.columns[rules.source]}


def _target(connection: pg.Connection, rules: TableRules) -> TargetTable | Finding:
    try:
        return read_target(connection, rules.target_schema, rules.target_table)
    except NoSuchTargetError as error:
        return Finding(rules.source, "target", str(error))


def _table_or_none(target: TargetTable | Finding) -> TargetTable | None:
    return None if isinstance(target, Finding) else target


def refused(connection: pg.Connection, column: TargetColumn, value: Value) -> str | None:
    """Why a column does not take a value: by the writer's encoder, and then by PostgreSQL itself."""
    import psycopg

    why = fitting.refusal(column, value)
    if why is not None:
        return why
    text = encoder(column)(value)
    try:
        with pg.reading(connection, pg.Timeouts()) as cursor:
            cursor.execute(pg.template("sync/cast", type=pg.quoted(column.type)), {"value": text})
    except psycopg.DataError as error:
        return pg.explain(error)
    return None


def propose(connection: pg.Connection, where: MySQL, schema: str) -> tuple[list[Pair], list[str]]:
    """The tables of both sides that belong together by their names, and those of the source that do not."""
    sources = read_source(where).columns
    if not sources:
        raise SeqguardError(
            f"there is no table in database {where.database} that this account may read: is the name right? If so,"
            f" GRANT SELECT ON {where.database}.* to it"
        )
    with pg.reading(connection, pg.Timeouts()):
        named = pg.relations(connection, pg.Timeouts())
        targets = [name for in_schema, name, kind in named if in_schema == schema and kind in WRITABLE]
        found = matched(sources, targets)
        pairs = [_pair(connection, schema, source, sources[source], target) for source, target in found.items()]
    return pairs, [name for name in sources if name not in found]


def _pair(
    connection: pg.Connection, schema: str, source: str, columns: list[SourceColumn], target: str
) -> Pair:
    table = read_target(connection, schema, target)
    with pg.reading(connection, pg.Timeouts()) as cursor:
        checks = cursor.execute(pg.template("sync/target_lists"), {"oid": table.oid}).fetchall()
    lists = {name: check_list(definition) for name, definition in checks if check_list(definition)}
    return Pair(source, columns, table, lists)


def without_secrets(conninfo: str) -> str:
    """A connection string as it may stand in a file."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    return make_conninfo("", **{k: v for k, v in conninfo_to_dict(conninfo).items() if k not in SECRETS})
