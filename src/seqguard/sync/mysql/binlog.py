"""The binlog of a MySQL or MariaDB server as a source: a snapshot first, then the changes from its position on."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from seqguard.errors import SeqguardError
from seqguard.sync.event import Batch
from seqguard.sync.mysql import binlog_server, client, snapshot
from seqguard.sync.mysql.binlog_stream import BinlogStream, Tables
from seqguard.sync.mysql.place import Place
from seqguard.sync.mysql.readahead import ReadAhead
from seqguard.sync.mysql.streams import COPIED, STREAM

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from seqguard.sync.event import Offset
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.mysql.binlog_server import BinlogServer
    from seqguard.sync.mysql.client import Connection, SourceColumn
    from seqguard.sync.mysql.snapshot import Progress
    from seqguard.sync.source import Stored

_PATIENCE = 5.0
"""Seconds that the thread has to end; a heartbeat ends it long before, where the server still sends them."""
_LAG_EVERY = 1.0
"""Seconds between two questions about the lag while there is work."""


class BinlogSource:
    """Reads the mapped tables of one database. Implements Source."""

    may_run_ahead = True

    def __init__(
        self,
        tables: Sequence[TableMapping],
        *,
        database: str,
        replica_id: int,
        option_file: str | None = None,
        new_snapshot: bool = False,
    ) -> None:
        """A snapshot takes the tables in this order: let those come first that others reference.

        replica_id is the server_id that sync reads the binlog by: no other reader of the server may have it.
        new_snapshot: begin with a snapshot, wherever the target stands; once.
        """
        self._mappings, self._database, self._replica_id = tables, database, replica_id
        self._connect = partial(client.connect, option_file, database=database)
        self._new_snapshot = new_snapshot
        self._ahead: ReadAhead | None = None
        self._control: Connection | None = None
        self._stream: BinlogStream | None = None
        self._snapshot: snapshot.Snapshot | None = None
        self._offset: Offset = {}
        self._copied_before: frozenset[str] | None = None
        self._lag: tuple[float, int | None] = (0.0, None)

    @property
    def progress(self) -> Progress | None:
        """How far the snapshot is, while there is one."""
        return self._snapshot.progress if self._snapshot and "snapshot" in self._offset else None

    def start(self, stored: Stored) -> None:
        """Connect, and go on from where the target stands; from a snapshot when it stands nowhere.

        Tables that were not copied before are copied then, and come out right like those of a snapshot that was cut.
        Raises TransientError when the server cannot be reached, SeqguardError when its settings do not do or it is
        another one without GTIDs.
        """
        self.close()
        self._control = self._connect()
        server = binlog_server.examine(self._control)
        known = stored(STREAM)  # asked for even where it is not used: the target moves on from there only
        self._copied_before = _tables_of(stored(COPIED))
        offset = None if self._new_snapshot else known
        if offset is not None:
            _check_server(server, offset)
            offset = self._with_new_tables(offset, self._copied_before)
        self._ahead = ReadAhead(self._batches(server, offset), fill=_in_snapshot)

    def _with_new_tables(self, offset: Offset, copied: frozenset[str] | None) -> Offset:
        """The offset, of a snapshot of the tables that are new in the mapping if there are some."""
        mapped = {table.source for table in self._mappings}
        new = sorted(mapped - copied) if copied is not None and "snapshot" not in offset else []
        if not new:
            return offset
        structlog.get_logger().warning("copying tables that are new in the mapping", tables=new)
        return snapshot.nothing_done(offset, sorted(mapped.difference(new)))

    def _copied(self, tables: Iterable[str]) -> dict[str, Offset]:
        """What is stored beside the position: the tables that were copied, and what is read of each that is mapped."""
        columns = {table.source: table.reads for table in self._mappings}
        return {COPIED: {"tables": sorted(tables), "columns": columns}}

    def _batches(self, server: BinlogServer, offset: Offset | None) -> Iterator[Batch]:
        """Everything from an offset on. Runs in the thread that reads ahead."""
        position = offset
        if position is None or "snapshot" in position:
            position = yield from self._read_snapshot(server, position)
        else:
            yield Batch(positions=self._copied(table.source for table in self._mappings))
        place = Place(position, server.server_id, is_mariadb=server.is_mariadb)
        self._stream = BinlogStream(self._connect, server, self._replica_id, place, self._tables(server))
        yield from self._stream.batches(STREAM)

    def _tables(self, server: BinlogServer) -> Tables:
        """What the stream needs to know of the tables, asked on a connection of this thread's own."""
        with self._connect() as connection:
            catalog = client.columns(connection, self._database)
            charsets = binlog_server.charset_names(connection, server)
        known = {name: {column.name: column for column in listed} for name, listed in catalog.items()}
        names = {table.source: frozenset(table.reads) for table in self._mappings}
        awaited = {table.source: frozenset(table.awaited) for table in self._mappings}
        return Tables(self._database, names, known, charsets, awaited)

    def _read_snapshot(self, server: BinlogServer, offset: Offset | None) -> Generator[Batch, None, Offset]:
        """The rest of a snapshot, or a new one; returns the position behind it."""
        with self._connect() as connection:
            tables, missing = readable(self._mappings, client.columns(connection, self._database))
            begun = snapshot.begin(connection, server)
            offset = offset or snapshot.nothing_done(begun)
            yield Batch(positions={STREAM: offset, **self._copied(self._copied_before or ())}, stopped=missing)
            self._snapshot = snapshot.Snapshot(connection, STREAM, tables, offset)
            yield from self._snapshot.batches()
            yield Batch(positions=self._copied({table.name for table in tables}))
        return {name: value for name, value in offset.items() if name != "snapshot"}

    def poll(self, limit: int, seconds: float) -> Batch:
        """At most so many changes, as soon as some are there and at the latest after so many seconds.

        Raises TransientError when the connection is lost, NewColumnsError where awaited columns come, SeqguardError
        when the binlog is purged or is not what its settings promised.
        """
        assert self._ahead, "start comes first"
        batch = self._ahead.poll(limit, seconds)
        self._offset = batch.positions.get(STREAM, self._offset)
        return batch

    def committed(self, positions: Mapping[str, Offset]) -> None:
        """The target holds the beginning of the new snapshot: it is not begun again."""
        if STREAM in positions:
            self._new_snapshot = False

    def lag(self) -> int | None:
        """Bytes of binlog between here and the end; None during a snapshot. A second old at most."""
        if not self._offset or "snapshot" in self._offset or self._control is None:
            return None
        asked, lag = self._lag
        # "none is left" is said only when it has been looked up just now
        if not lag or time.monotonic() - asked > _LAG_EVERY:
            lag = binlog_server.bytes_between(
                self._control,
                str(self._offset["file"]),
                int(str(self._offset.get("event", self._offset["pos"]))),
            )
            self._lag = time.monotonic(), lag
        return lag

    def close(self) -> None:
        """Stop reading and close the connections."""
        if self._ahead:
            self._ahead.close()
            # it ends with the next event, of which a heartbeat is one
            self._ahead.join(_PATIENCE)
        for opened in (self._stream, self._control):
            if opened:
                with suppress(Exception):
                    opened.close()
        self._ahead = self._stream = self._control = self._snapshot = None
        self._offset, self._lag = {}, (0.0, None)


def _tables_of(stored: Offset | None) -> frozenset[str] | None:
    """The tables that were copied, None when that was not stored."""
    listed = (stored or {}).get("tables")
    return frozenset(map(str, listed)) if isinstance(listed, list) else None


def _in_snapshot(positions: Mapping[str, Offset]) -> bool:
    """Nobody waits for a single row of a snapshot."""
    return "snapshot" in positions.get(STREAM, {})


def readable(
    mappings: Sequence[TableMapping], catalog: Mapping[str, Sequence[SourceColumn]]
) -> tuple[list[snapshot.SnapshotTable], dict[str, str]]:
    """The tables of a snapshot in their order, and what those lack that cannot be read."""
    tables, missing = [], {}
    for mapping in mappings:
        known = catalog.get(mapping.source, ())
        names = mapping.reads.keys()
        lacking = sorted(names - {column.name for column in known})
        if lacking:
            missing[mapping.source] = f"the source has no column {', '.join(lacking)}"
            continue
        key = sorted((column for column in known if column.key), key=lambda column: column.key)
        columns = [column for column in known if column.name in names or column.key]
        tables.append(snapshot.SnapshotTable(mapping.source, tuple(columns), tuple(key)))
    return tables, missing


def _check_server(server: BinlogServer, offset: Offset) -> None:
    if offset.get("server_id") != server.server_id and not (server.gtids and offset.get("gtid")):
        raise SeqguardError(
            f"the target stands in the binlog of server {offset.get('server_id')}, this is server {server.server_id},"
            " and without GTIDs a position means nothing to it: take a new snapshot with"
            " `seqguard sync run FILE --snapshot`"
        )
