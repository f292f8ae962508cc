"""Reads the binlog with mysql-replication: its events as changes of single rows, each with its exact position."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pymysql
import structlog
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication import event as events
from pymysqlreplication import row_event as row_events

from seqguard.errors import SeqguardError
from seqguard.sync.event import Batch, Change, Position
from seqguard.sync.failure import NewColumnsError, TransientError
from seqguard.sync.mysql import rows, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seqguard.sync.event import Row
    from seqguard.sync.mysql.binlog_server import BinlogServer
    from seqguard.sync.mysql.client import Connection, SourceColumn
    from seqguard.sync.mysql.place import Place

HEARTBEAT = 0.25
"""Seconds of silence after which the server says that it is there."""
SILENCE = 30
"""Seconds of silence after which it is not."""
_EVENTS = [
    events.MariadbGtidEvent, events.GtidEvent, events.QueryEvent, events.XidEvent, events.XAPrepareEvent,
    events.RotateEvent, events.HeartbeatLogEvent, events.NotImplementedEvent,
    row_events.TableMapEvent, row_events.WriteRowsEvent, row_events.UpdateRowsEvent, row_events.DeleteRowsEvent,
    row_events.PartialUpdateRowsEvent,
]  # fmt: skip
_STANDALONE = 1
"""The flag of a MariaDB GTID that no transaction follows, but one statement."""
_HIDING = {
    26: "an incident",
    40: "a compressed transaction",
    42: "a tagged GTID",
    165: "a compressed statement",
}
_HIDING |= dict.fromkeys(range(166, 172), "compressed rows")
"""Events that mysql-replication passes over though there are, or may be, rows in them."""
_NEW_COLUMN = "new column ignored"
_WHAT_TO_DO = "put it in leave_out, or add it to the target and copy the rows again with `seqguard sync run FILE --snapshot`"
_CANNOT_SEND = 1236
_EVICTED = "same server_uuid/server_id"
"""In the text of MariaDB's error 4052 and of one of MySQL's 1236."""
_DENIED = frozenset({1044, 1045, 1142, 1227})


@dataclass(frozen=True, slots=True)
class Tables:
    """What is read: a database, its mapped tables with the columns that are wanted, and what the catalog knows.

    awaited: by table, columns that are wanted as soon as its rows have them.
    """

    database: str
    wanted: Mapping[str, frozenset[str]]
    catalog: Mapping[str, Mapping[str, SourceColumn]]
    charset_names: Mapping[int, str]
    awaited: Mapping[str, frozenset[str]]


class BinlogStream:
    """Reads from a place on, without end."""

    def __init__(
        self,
        connect: Callable[..., Connection],
        server: BinlogServer,
        replica_id: int,
        place: Place,
        tables: Tables,
    ) -> None:
        """To connect() go further arguments of the driver; replica_id must be nobody else's."""
        self._place, self._tables = place, tables
        self._reader = _reader(connect, server, replica_id, place, tables)
        self._decoders: dict[int, rows.RowDecoder] = {}
        self._stopped: dict[str, str] = {}
        self._noted: set[tuple[str, str]] = set()
        self._log = structlog.get_logger()

    def batches(self, stream: str) -> Iterator[Batch]:
        """What each event of interest brings; heartbeats bring positions.

        Raises TransientError when the connection is lost, NewColumnsError where rows get columns that were awaited,
        SeqguardError when the log is not what it should be.
        """
        while True:
            changes = self._handle(stream, self._next())
            if changes is not None:
                offset = changes[-1].position.offset if changes else self._place.offset
                yield Batch(changes, {stream: offset}, dict(self._stopped))

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def _next(self) -> Any:
        try:
            event = self._reader.fetchone()
        except pymysql.err.MySQLError as error:
            raise self._failure(error) from None
        except OSError as error:
            raise TransientError(f"the connection to the MySQL server was lost: {error}") from None
        if event is None:
            raise TransientError("the MySQL server ended the binlog: it is shutting down")
        return event

    def _failure(self, error: pymysql.err.MySQLError) -> SeqguardError:
        code, text = error.args[0], error.args[-1]
        if _EVICTED in str(text):
            return TransientError(
                "another replica or sync has the same server_id, and the MySQL server lets only one of them read: give"
                " each its own, the one of sync under [source] in the mapping file"
            )
        if code == _CANNOT_SEND:
            at = f"{self._place.file}:{self._place.pos}"
            return SeqguardError(
                f"the MySQL server does not send its binlog from {at} on: {text}. If that part is purged, changes are"
                " lost to sync: take a new snapshot with `seqguard sync run FILE --snapshot`"
            )
        if code in _DENIED:
            return SeqguardError(
                f"the MySQL server does not let this account read its binlog: {text} ({code}): GRANT REPLICATION SLAVE"
                " ON *.* to it"
            )
        return TransientError(f"the connection to the MySQL server was lost: {text} ({code})")

    def _handle(self, stream: str, event: Any) -> list[Change] | None:
        """The changes of an event; None when not even the position has changed."""
        match event:
            case row_events.RowsEvent():
                return self._rows(stream, event)
            case row_events.TableMapEvent():
                self._describe(event)
            case events.MariadbGtidEvent():
                self._place.identified(event.gtid)
                self._place.in_transaction = not event.flags & _STANDALONE
            case events.GtidEvent():
                self._place.identified(event.gtid)
            case events.QueryEvent():
                return self._query(stream, event)
            case events.XidEvent() | events.XAPrepareEvent():
                return self._ended()
            case events.RotateEvent():
                self._place.rotated(event.next_binlog, event.position)
                self._forget_tables()
            case events.HeartbeatLogEvent():
                return None if self._place.in_transaction else self._ended()
            case events.NotImplementedEvent() if event.event_type in _HIDING:
                raise SeqguardError(self._hidden(_HIDING[event.event_type]))
        return None

    def _hidden(self, what: str) -> str:
        return (
            f"the binlog holds {what} before {self._reader.log_file}:{self._reader.log_pos}, which sync cannot read:"
            " see the settings that `seqguard sync check` names, then take a new snapshot with"
            " `seqguard sync run FILE --snapshot`"
        )

    def _ended(self) -> list[Change]:
        self._place.ended(self._reader.log_pos)
        return []

    def _forget_tables(self) -> None:
        """A server that was restarted gives its ids to other tables. mysql-replication forgets them only at the
        rotation that a running server writes, not at the one that tells of the next file after a restart."""  # noqa: D209
        self._reader.table_map = {}
        self._decoders.clear()

    def _describe(self, event: Any) -> None:
        """A table as it is from here on. The server gives an altered table another id."""
        table = event.table
        wanted, known = self._tables.wanted[table], self._tables.catalog.get(table, {})
        if not event.optional_metadata.column_name_list:
            raise SeqguardError(self._hidden("tables without the names of their columns"))
        columns = rows.described(event, self._tables.charset_names, known)
        came = self._tables.awaited[table].intersection(column.name for column in columns)
        if came:
            raise NewColumnsError(table, came)
        self._stopped.pop(table, None)
        missing = sorted(wanted - {column.name for column in columns})
        if missing:
            self._stop(table, f"the source has no column {', '.join(missing)} any more")
        self._note(table, [column.name for column in columns if column.name not in known])
        self._decoders[event.table_id] = self._decoder(table, columns)

    def _decoder(self, table: str, columns: list[rows.Column]) -> rows.RowDecoder:
        """A column that cannot be decoded stops the table; its rows come without it."""
        wanted = self._tables.wanted[table]
        while True:
            try:
                return rows.RowDecoder(columns, wanted)
            except rows.UnsupportedError as error:
                if error.column not in wanted:
                    raise SeqguardError(
                        self._hidden(f"rows of {table} that cannot be decoded: {error}")
                    ) from None
                self._stop(table, str(error))
                wanted -= {error.column}

    def _stop(self, table: str, why: str) -> None:
        self._stopped[table] = f"{why}: mend the mapping or the table, then take a new snapshot"

    def _note(self, table: str, names: list[str]) -> None:
        for name in names:
            if (table, name) not in self._noted:
                self._noted.add((table, name))
                self._log.warning(_NEW_COLUMN, table=table, column=name, what_to_do=_WHAT_TO_DO)

    def _rows(self, stream: str, event: Any) -> list[Change] | None:
        """The changes of a row event, without those that were done before a restart."""
        pos = self._reader.log_pos
        done = self._place.done_rows(pos)
        decoder = self._decoders[event.table_id]
        if done is None:
            return None
        at = datetime.fromtimestamp(event.timestamp, UTC)
        images = self._images(event, decoder)
        changes = [
            Change(event.table, before, after, Position(stream, self._place.inside(pos, number)), at)
            for number, (before, after) in enumerate(images, 1)
            if number > done
        ]
        return changes or None

    def _images(self, event: Any, decoder: rows.RowDecoder) -> Iterator[tuple[Row | None, Row | None]]:
        """The rows before and after each change of an event."""
        if isinstance(event, row_events.PartialUpdateRowsEvent):
            raise SeqguardError(self._hidden("partial JSON values"))
        data = event.packet.read(event.event_size - event.packet.read_bytes)
        first = event.columns_present_bitmap
        if isinstance(event, row_events.UpdateRowsEvent):
            for before, after in decoder.rows(data, first, event.columns_present_bitmap2):
                whole = after if len(after) == decoder.width else {**before, **after}
                yield before, self._whole(event.table, whole, decoder)
        else:
            is_delete = isinstance(event, row_events.DeleteRowsEvent)
            for (row,) in decoder.rows(data, first):
                yield (row, None) if is_delete else (None, self._whole(event.table, row, decoder))

    def _whole(self, table: str, row: Row, decoder: rows.RowDecoder) -> Row:
        if len(row) < decoder.width:
            raise SeqguardError(self._hidden(f"rows of {table} without all columns (binlog_row_image)"))
        return row

    def _query(self, stream: str, event: Any) -> list[Change] | None:
        """A statement: a transaction's border, DDL, or one that should have been rows."""
        text, place = event.query.strip(), self._place
        if text == "BEGIN" or text.startswith("XA START"):
            place.in_transaction = True
            return None
        if statements.writes(text):
            self._refuse(text)
        if place.in_transaction and text not in {"COMMIT", "ROLLBACK"}:
            return None
        place.ended(self._reader.log_pos)
        return self._emptied(stream, event)

    def _emptied(self, stream: str, event: Any) -> list[Change]:
        """The truncate that a statement is."""
        named = statements.truncated(event.query, event.schema.decode())
        if named is None or named[0] != self._tables.database or named[1] not in self._tables.wanted:
            return []
        at = datetime.fromtimestamp(event.timestamp, UTC)
        return [Change(named[1], None, None, Position(stream, self._place.offset), at)]

    def _refuse(self, statement: str) -> None:
        """Stop the tables that a statement may write to."""
        for table in self._tables.wanted:
            if table in statement:
                self._stop(table, "a session wrote to it with binlog_format other than ROW")


def _reader(
    connect: Callable[..., Connection], server: BinlogServer, replica_id: int, place: Place, tables: Tables
) -> BinLogStreamReader:
    """The reader of mysql-replication.

    It is given a connection once for each of its two: it would connect anew by itself, in the middle of a
    transaction. And it describes a table once for each id of the server's (freeze_schema): describing it anew in
    each transaction takes longer than a row.
    """
    opened: list[bool] = []

    def open_once(**driver: Any) -> Connection:
        if len(opened) == 2:  # noqa: PLR2004
            raise TransientError("the connection to the MySQL server was lost")
        opened.append(True)
        if "db" in driver:  # its old name, of which the driver warns
            driver["database"] = driver.pop("db")
        return connect(**driver)

    gtids = str(place.gtids) if server.gtids else ""
    return BinLogStreamReader(
        {"read_timeout": SILENCE, "charset": "utf8mb4"},
        replica_id,
        pymysql_wrapper=open_once,
        blocking=True,
        resume_stream=True,
        log_file=None if gtids else place.file,
        log_pos=None if gtids else place.pos,
        auto_position=gtids or None,
        is_mariadb=server.is_mariadb and bool(gtids),
        only_events=_EVENTS,
        only_schemas=[tables.database],
        only_tables=list(tables.wanted),
        filter_non_implemented_events=False,
        freeze_schema=True,
        slave_heartbeat=HEARTBEAT,
        enable_logging=False,
    )
