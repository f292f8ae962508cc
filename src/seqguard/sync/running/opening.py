"""What a mapping file names, opened: its mappings, checked and complete, and its source."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.checking.examining import examine
from seqguard.sync.mapping.config import BinlogSource, KafkaSource
from seqguard.sync.target.catalog import read_target
from seqguard.sync.writing.netting import parents_first

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seqguard.sync.checking.agreement import Finding
    from seqguard.sync.mapping.config import Config
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.source import Source
    from seqguard.sync.target.catalog import TargetTable

    Pair = tuple[TableMapping, TargetTable]


class MisfitError(SeqguardError):
    """What does not fit in a mapping, a line for each."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self._findings = tuple(findings)

    @property
    def lines(self) -> tuple[str, ...]:
        """The findings."""
        return self._findings


def fitting_pairs(config: Config, warn: Callable[[Finding], None], *, snapshot: bool) -> Sequence[Pair]:
    """The mappings, complete, each with its target; a table comes after those that it references.

    warn is told of what may keep single rows back, or stops a table. Raises MisfitError for what does not fit the databases' catalogs, SeqguardError when they cannot be read.
    """
    with closing(pg.connect(config.conninfo)) as connection:
        examination = examine(config, connection, snapshot=snapshot)
        if examination.misfits:
            raise MisfitError([f"{config.path}: {finding}" for finding in examination.misfits])
        for finding in examination.findings:
            warn(finding)
        pairs = [
            (one, read_target(connection, one.target_schema, one.target_table)) for one in examination.mappings
        ]
    order = parents_first({target.oid: target.references for _, target in pairs})
    return sorted(pairs, key=lambda pair: order.index(pair[1].oid))


def open_source(config: Config, pairs: Sequence[Pair], *, snapshot: bool) -> Source:
    """The source, not started yet. snapshot: begin with a new one.

    Raises SeqguardError when the source takes no snapshots itself.
    """
    if isinstance(config.source, KafkaSource):
        return _open_kafka(config, config.source, pairs, snapshot=snapshot)
    return _open_binlog(config.source, pairs, snapshot=snapshot)


def _open_binlog(source: BinlogSource, pairs: Sequence[Pair], *, snapshot: bool) -> Source:
    from seqguard.sync.mysql import binlog

    return binlog.BinlogSource(
        [mapping for mapping, _ in pairs],
        database=source.mysql.database,
        replica_id=source.server_id,
        option_file=source.mysql.option_file,
        new_snapshot=snapshot,
    )


def _open_kafka(config: Config, source: KafkaSource, pairs: Sequence[Pair], *, snapshot: bool) -> Source:
    from seqguard.sync.kafka.options import Options
    from seqguard.sync.kafka.source import KafkaSource as Consumer

    if snapshot:
        raise SeqguardError(
            "Debezium takes the snapshots of a Kafka source: send its connector an execute-snapshot signal"
        )
    rules = {table.source: config.topic(table) for table in config.tables}
    topics: dict[str, list[Pair]] = {}
    for mapping, target in pairs:
        topics.setdefault(rules[mapping.source], []).append((mapping, target))
    return Consumer(
        Options(source.bootstrap_servers, source.group, source.option_file),
        topics,
        catalog=config.mysql is not None,
    )
