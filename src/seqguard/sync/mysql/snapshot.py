"""The rows that are there before the first change: a consistent snapshot of the mapped tables, and where it stands.

A snapshot that was cut goes on behind the last key, from a newer snapshot but with the first one's position: the
changes since then are whole rows, so that they come out right whatever of them the newer snapshot has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pymysql.cursors import SSCursor

from seqguard.errors import SeqguardError
from seqguard.script import sql_file
from seqguard.sync.event import Batch, Change, JsonDocument, Offset, Position, Value
from seqguard.sync.mysql import client, dates
from seqguard.sync.mysql.binlog_server import end_of_log, gtids_at
from seqguard.sync.mysql.rows import shortest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from seqguard.sync.event import Json
    from seqguard.sync.mysql.binlog_server import BinlogServer
    from seqguard.sync.mysql.client import Connection, SourceColumn

CHUNK = 1_000
"""Rows that share a position."""
PAGE = 20_000
"""Rows of one query: the driver can end a query only by reading all of it."""
_ORDERED = {
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "char", "varchar", "binary", "varbinary",
    "date", "datetime", "timestamp", "uuid",
}  # fmt: skip
"""Types of a key that a later query can go on behind: those whose literals compare as they sort."""
_NULL, _WIDTHS = 251, {252: 2, 253: 3, 254: 8}
"""What the first byte of a value says when it is not its length: NULL, or how many bytes the length has."""


@dataclass(frozen=True, slots=True)
class SnapshotTable:
    """A table to be read: its mapped columns, and the key that it is read in the order of."""

    name: str
    columns: tuple[SourceColumn, ...]
    key: tuple[SourceColumn, ...]


@dataclass(slots=True)
class Progress:
    """How far a snapshot is. estimate is the server's guess of all rows; it may be well off."""

    rows: int = 0
    estimate: int = 0


def begin(connection: Connection, server: BinlogServer) -> Offset:
    """Open the snapshot's transaction; return the position in the binlog that its rows are of.

    Exact on MariaDB. Elsewhere a lock of an instant makes it exact; where that is not allowed, or not to be had, the
    position is somewhat before the snapshot, which comes out right in the end.
    """
    client.query(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    # a writer that waits must not make the server give up a query
    client.query(connection, "SET SESSION net_write_timeout = 86400")
    file, pos = _mariadb(connection) if server.is_mariadb else _mysql(connection)
    gtid = gtids_at(connection, server, file, pos)
    return {"server_id": server.server_id, "file": file, "pos": pos, **({"gtid": gtid} if gtid else {})}


def _mariadb(connection: Connection) -> tuple[str, int]:
    client.query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    status = dict(client.query(connection, "SHOW STATUS LIKE 'binlog_snapshot_%%'"))
    return status["Binlog_snapshot_file"], int(status["Binlog_snapshot_position"])


def _mysql(connection: Connection) -> tuple[str, int]:
    place = end_of_log(connection)
    try:
        client.query(connection, "SET SESSION lock_wait_timeout = 2")
        client.query(connection, "FLUSH TABLES WITH READ LOCK")
    except SeqguardError:
        client.query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        return place
    try:
        client.query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        return end_of_log(connection)
    finally:
        client.query(connection, "UNLOCK TABLES")


class Snapshot:
    """Reads tables one after the other in the order of their keys, in constant memory."""

    def __init__(
        self, connection: Connection, stream: str, tables: Sequence[SnapshotTable], offset: Offset
    ) -> None:
        """Behind what is done, which offset holds under "snapshot"; the rest of offset is the binlog's position."""
        self._connection, self._stream, self._tables = connection, stream, tables
        self._base = {name: value for name, value in offset.items() if name != "snapshot"}
        done: Any = offset["snapshot"]
        self._done: list[Json] = list(done["done"])
        self._resumed: tuple[Any, Any] = (done["table"], done["key"])
        rows = int(done["rows"])
        # in the count of rows are those of tables that this snapshot has read, not of those that were there before
        counted = [table for table in tables if rows or table.name not in self._done]
        self.progress = Progress(rows, _estimate(connection, counted))

    def batches(self) -> Iterator[Batch]:
        """Every row that is left, as inserts; at the end the position of the binlog."""
        # from here on, values come as bytes: decoded() knows their types better
        self._connection.use_unicode, self._connection.decoders = False, {}
        for table in self._tables:
            if table.name not in self._done:
                yield from self._read(table)
                self._done.append(table.name)
        yield Batch(positions={self._stream: self._base})

    def _read(self, table: SnapshotTable) -> Iterator[Batch]:
        key = self._resumed[1] if self._resumed[0] == table.name else None
        while True:
            read = 0
            for rows in self._page(table, key):
                position = Position(self._stream, self._at(table, key))
                key = _key_of(table, rows[-1])
                read += len(rows)
                self.progress.rows += len(rows)
                changes = [Change(table.name, None, row, position) for row in rows]
                yield Batch(changes, {self._stream: self._at(table, key)})
            if key is None or read < PAGE:
                return

    def _page(self, table: SnapshotTable, key: list[Json] | None) -> Iterator[list[dict[str, Value]]]:
        with client.failures("the snapshot was cut off"), self._connection.cursor(_Cursor) as cursor:
            cursor.execute(*selection(table, key))
            while raw := cursor.fetchmany(CHUNK):
                yield decoded(table, raw)

    def _at(self, table: SnapshotTable, key: list[Json] | None) -> Offset:
        done = {
            "table": table.name,
            "key": key,
            "done": list(self._done),
            "rows": self.progress.rows,
            "estimate": self.progress.estimate,
        }
        return {**self._base, "snapshot": done}


class _Cursor(SSCursor):  # type: ignore[misc]
    """Takes rows apart at once: the driver does it with several calls for each value, a third of the reading's time."""

    def _query(self, query: str) -> Any:
        found = super()._query(query)
        self._result._read_row_from_packet = lambda packet: values_of(packet.get_all_data())  # noqa: SLF001
        return found


def values_of(packet: bytes) -> tuple[bytes | None, ...]:
    """The values of a row in the text protocol, each behind its length of one byte, or of those that one tells of."""
    values: list[bytes | None] = []
    at, end = 0, len(packet)
    while at < end:
        size = packet[at]
        at += 1
        if size == _NULL:
            values.append(None)
            continue
        if size > _NULL:
            width = _WIDTHS[size]
            size = int.from_bytes(packet[at : at + width], "little")
            at += width
        values.append(packet[at : at + size])
        at += size
    return tuple(values)


def nothing_done(offset: Offset, done: Sequence[str] = ()) -> Offset:
    """The offset of a snapshot that has just begun, of all tables but those that are done."""
    return {**offset, "snapshot": {"table": None, "key": None, "done": list(done), "rows": 0}}


def _estimate(connection: Connection, tables: Sequence[SnapshotTable]) -> int:
    database = client.query(connection, "SELECT DATABASE()")[0][0]
    rows = dict(client.query(connection, sql_file("sync/mysql_estimate"), database))
    return sum(int(rows.get(table.name, 0)) for table in tables)


def selection(table: SnapshotTable, key: list[Json] | None) -> tuple[str, list[Any]]:
    """The query of a table's next rows behind a key, and its parameters; of all rows if keys are of no use."""
    listed = ", ".join(_expression(column) for column in table.columns)
    order = [client.parameter_safe(column.name) for column in table.key]
    where, parameters = _behind(order, [_parameter(value) for value in key]) if key else ("", [])
    ordered = f" ORDER BY {', '.join(order)} LIMIT {PAGE}" if pages(table) else ""
    return f"SELECT {listed} FROM {client.parameter_safe(table.name)}{where}{ordered}", parameters  # noqa: S608 - quoted


def _expression(column: SourceColumn) -> str:
    """A FLOAT is shown with six digits; as a DOUBLE it has all that it holds."""
    name = client.parameter_safe(column.name)
    return f"{name} + 0e0" if _base(column) == "float" else name


def _behind(names: list[str], values: list[Any]) -> tuple[str, list[Any]]:
    """(a, b) > (x, y), written so that MySQL goes by the index."""
    terms, parameters = [], []
    for count, name in enumerate(names):
        equal = "".join(f"{earlier} = %s AND " for earlier in names[:count])
        terms.append(f"({equal}{name} > %s)")
        parameters += values[: count + 1]
    return f" WHERE {names[0]} >= %s AND ({' OR '.join(terms)})", [values[0], *parameters]


def _key_of(table: SnapshotTable, row: Mapping[str, Value]) -> list[Json] | None:
    """The key of a row for the offset; None when no later query could go on behind it."""
    return [_stored(row[column.name]) for column in table.key] if pages(table) else None


def pages(table: SnapshotTable) -> bool:
    """Whether a table can be read page by page: it has a primary key whose literals compare as it sorts."""
    return bool(table.key) and all(_base(column) in _ORDERED for column in table.key)


def _stored(value: Value) -> Json:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, datetime):
        return str(value.replace(tzinfo=None))
    if isinstance(value, (date, Decimal)):
        return str(value)
    return value if isinstance(value, (int, str)) else None


def _parameter(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def decoded(table: SnapshotTable, raw: Sequence[tuple[bytes | None, ...]]) -> list[dict[str, Value]]:
    """Rows as the server's text protocol brings them, with the values of event.py."""
    columns = [(column.name, converter(column)) for column in table.columns]
    return [
        {
            name: None if data is None else convert(data)
            for (name, convert), data in zip(columns, row, strict=True)
        }
        for row in raw
    ]


def _base(column: SourceColumn) -> str:
    return column.type.partition("(")[0].partition(" ")[0].lower()


def converter(column: SourceColumn) -> Callable[[bytes], Value]:
    """What makes a value of a column's text; text in a character set otherwise, bytes where there is none."""
    if column.type.lower() == "bit(1)":
        return lambda data: data != b"\0"
    known = _CONVERTERS.get(_base(column))
    return known or (_raw if column.charset is None else bytes.decode)


def _raw(data: bytes) -> bytes:
    return data


def _from_text(read: Callable[[str], Value]) -> Callable[[bytes], Value]:
    return lambda data: read(data.decode())


_CONVERTERS: dict[str, Callable[[bytes], Value]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), int),
    "decimal": _from_text(Decimal),
    "float": lambda data: shortest(float(data)),
    "double": float,
    "bit": lambda data: int.from_bytes(data, "big"),
    "date": _from_text(dates.date_of_text),
    "datetime": _from_text(dates.datetime_of_text),
    "timestamp": _from_text(dates.timestamp_of_text),
    "time": _from_text(dates.time_of_text),
    "json": _from_text(JsonDocument),
    **dict.fromkeys(("uuid", "inet4", "inet6"), bytes.decode),
}
