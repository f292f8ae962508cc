"""A binlog source and a writer in the test's own process, run until nothing is left."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.mysql.binlog import BinlogSource
from seqguard.sync.writing.writer import Writer

if TYPE_CHECKING:
    from seqguard.demo.mariadb import MariaDB
    from seqguard.sync.event import Change, Offset, Row

SECONDS = 60


def mapping(table: str, *columns: str, key: tuple[str, ...] = ("id",), **rules: Any) -> TableMapping:
    """A table that goes to one of the same name and columns."""
    return TableMapping(table, "public", table, key, {name: name for name in (*key, *columns)}, **rules)


@dataclass
class Reading:
    """A binlog source and what it brought. Remembers where it stands, as the target would."""

    server: MariaDB
    database: str
    tables: list[TableMapping]
    offset: Offset | None = None
    changes: list[Change] = field(default_factory=list)
    stopped: dict[str, str] = field(default_factory=dict)
    replica_id: int = 4001

    def source(self, **options: Any) -> BinlogSource:
        return BinlogSource(
            self.tables,
            database=self.database,
            replica_id=self.replica_id,
            option_file=self.server.option_file,
            **options,
        )

    def read(self, limit: int = 1_000, most: int | None = None, **options: Any) -> list[Change]:
        """The changes up to the end of the binlog, or until there are so many; a new source each time."""
        found: list[Change] = []
        with closing(self.source(**options)) as source:
            source.start(lambda _: self.offset)
            deadline = time.monotonic() + SECONDS
            while most is None or len(found) < most:
                batch = source.poll(limit, 0.2)
                found += batch.changes
                self.offset = batch.positions.get("binlog", self.offset)
                self.stopped |= batch.stopped
                if not batch.changes and source.lag() == 0:
                    break
                assert time.monotonic() < deadline, f"still behind: {self.offset}"
        self.changes += found
        return found

    def copy(self, dsn: str) -> None:
        """Bring everything up to the end of the binlog into the target, from where that stands."""
        with closing(Writer(dsn, "test", self.tables)) as writer, closing(self.source()) as source:
            source.start(writer.stored)
            deadline = time.monotonic() + SECONDS
            while True:
                batch = source.poll(1_000, 0.2)
                writer.apply(batch)
                self.changes += batch.changes
                if not batch.changes and source.lag() == 0:
                    return
                assert time.monotonic() < deadline, "still behind"


def brief(changes: list[Change]) -> list[tuple[str, Row | None, Row | None]]:
    """Changes without where and when they were."""
    return [(change.table, change.before, change.after) for change in changes]
