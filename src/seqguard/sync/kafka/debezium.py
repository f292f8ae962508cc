"""Debezium's change events in JSON, in their envelope or unwrapped, as changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from seqguard.errors import SeqguardError
from seqguard.sync.event import Change
from seqguard.sync.kafka.connect_json import Reader, Schema
from seqguard.sync.kafka.connect_types import UntypedError, by_hint, by_schema, by_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seqguard.sync.event import Position, Row
    from seqguard.sync.kafka.connect_types import Decode
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.target.catalog import TargetTable

    Decoders = Mapping[str, Decode]

_NOTHING: frozenset[str] = frozenset()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEARTBEAT = {"ts_ms"}
_SCHEMA_CHANGE = {"databaseName", "ddl"}
_TRANSACTION = {"status", "id", "event_count"}
_UNAVAILABLE = ("__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==")
_UNAVAILABLE_TEXT, _UNAVAILABLE_BASE64 = (text.encode() for text in _UNAVAILABLE)


class MalformedError(Exception):
    """No change can be made of a message: it becomes a dead letter. table is the source table, as far as known."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(reason)
        self.table = table


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a topic, and the position after it."""

    topic: str
    key: bytes | None
    value: bytes | None
    position: Position


@dataclass(eq=False)
class Columns:
    """What is needed of a source table's rows, and the decoders of its columns by the schema of the message."""

    mapping: TableMapping
    target: TargetTable
    known: frozenset[str] = field(init=False)
    _decoders: dict[tuple[Schema | None, str], Decoders] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.known = frozenset((*self.mapping.key, *self.mapping.ignore, *self.mapping.only))

    def missing(self, row: Row) -> frozenset[str]:
        """The needed columns that a row lacks."""
        reads = self.mapping.reads
        return _NOTHING if len(row) == len(reads) else frozenset(reads.keys() - row.keys())

    def row(self, schema: Schema | None, part: str, values: object) -> Row:
        """The needed columns of a row, as far as they are there.

        part is the struct of the envelope that the row is in, or "" for the message itself; of before, only the
        key and what the filters look at. Raises MalformedError; SeqguardError when a value's type is left open.
        """
        if not isinstance(values, dict):
            raise MalformedError(self.mapping.source, f"{part or 'the message'} is no row")
        decoders = self._decoders.get((schema, part)) or self._make(schema, part)
        row, name = {}, ""
        try:
            for name, decode in decoders.items():
                if name in values:
                    value = values[name]
                    row[name] = None if value is None else decode(value)
        except (ValueError, ArithmeticError) as error:
            raise MalformedError(self.mapping.source, f"column {name}: {error}") from None
        except UntypedError as error:
            raise self._untyped(name, error) from None
        return row

    def _make(self, schema: Schema | None, part: str) -> Decoders:
        names = self.known if part in {"before", "key"} else self.mapping.reads
        try:
            made = self._by_schema(schema, part, names) if schema else self._by_target(names)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MalformedError(self.mapping.source, f"its schema cannot be read: {error}") from None
        if len(self._decoders) > 50:  # noqa: PLR2004 - schemas that are no longer in use
            self._decoders.clear()
        self._decoders[schema, part] = made
        return made

    def _by_schema(self, schema: Schema, part: str, names: Iterable[str]) -> Decoders:
        fields = schema.struct(part, "after") if part in {"before", "after"} else schema.fields
        types = self.mapping.types
        return {name: by_schema(fields[name], types.get(name)) for name in names if name in fields}

    def _by_target(self, names: Iterable[str]) -> Decoders:
        return {name: self._without_schema(name) for name in names}

    def _without_schema(self, name: str) -> Decode:
        if name in self.mapping.types:
            return by_hint(self.mapping.types[name])
        return by_target(self.target.columns.get(self.mapping.columns.get(name, "")))

    def _untyped(self, name: str, error: UntypedError) -> SeqguardError:
        table = self.mapping.source
        return SeqguardError(
            f"table {table}, column {name}: the messages have no schema part, so nothing tells what its values"
            f" mean ({error}): set value.converter.schemas.enable and key.converter.schemas.enable to true in the"
            f' connector, or name the type in the mapping: types = {{ {name} = "io.debezium.time.MicroTimestamp" }},'
            " for example"
        )


@dataclass
class Decoder:
    """Makes changes of messages. tables: by topic, what may come from it; most topics have one table."""

    tables: Mapping[str, Sequence[Columns]]
    _values: Reader = field(init=False, default_factory=Reader)
    _keys: Reader = field(init=False, default_factory=Reader)

    def change(self, message: Message) -> Change | None:
        """The change that a message tells of; None when it tells of nothing that is mapped.

        Raises MalformedError when the message cannot be understood, SeqguardError when the mapping must say more.
        """
        try:
            schema, payload = (None, None) if message.value is None else self._values.read(message.value)
        except ValueError as error:
            raise MalformedError(self._only(message.topic), f"no JSON of Kafka Connect: {error}") from None
        if payload is None:
            return self._deleted(message, self._columns(message.topic, None), {})
        if not isinstance(payload, dict):
            raise MalformedError(self._only(message.topic), "neither a change event nor a row")
        if _is_envelope(schema, payload):
            return self._enveloped(message, schema, payload)
        return None if _is_service(payload) else self._unwrapped(message, schema, payload)

    def _only(self, topic: str) -> str:
        """The source table of a topic, for errors."""
        return ", ".join(columns.mapping.source for columns in self.tables[topic])

    def _columns(self, topic: str, name: str | None) -> Columns | None:
        """The table that a message names; the topic's, when it names none."""
        candidates = self.tables[topic]
        if name is not None:
            return next((columns for columns in candidates if columns.mapping.source == name), None)
        if len(candidates) > 1:
            raise MalformedError(self._only(topic), "it does not say which of these tables it is of")
        return candidates[0]

    def _enveloped(self, message: Message, schema: Schema | None, event: Mapping[str, Any]) -> Change | None:
        source = event.get("source")
        named = source.get("table") if isinstance(source, dict) else None
        columns = self._columns(message.topic, named)
        operation = event["op"]
        if columns is None or operation == "m":
            return None
        at = _moment(source.get("ts_ms")) if isinstance(source, dict) and operation != "r" else None
        before = event.get("before")
        known = {} if before is None else columns.row(schema, "before", before)
        if operation == "d":
            return self._deleted(message, columns, known, at)
        if operation == "t":
            return Change(columns.mapping.source, None, None, message.position, at)
        if operation not in ("c", "r", "u"):
            raise MalformedError(columns.mapping.source, f"op is {operation!r}")
        after = _written(message, columns, schema, "after", event.get("after"))
        return Change(
            columns.mapping.source,
            _before(columns, known, after) if operation == "u" else None,
            after,
            message.position,
            at,
        )

    def _unwrapped(self, message: Message, schema: Schema | None, row: Mapping[str, Any]) -> Change | None:
        columns = self._columns(message.topic, row.get("__table", row.get("__source_table")))
        if columns is None:
            return None
        operation, source = row.get("__op"), columns.mapping.source
        at = None if operation == "r" else _moment(row.get("__source_ts_ms"))
        if operation == "t":
            return Change(source, None, None, message.position, at)
        if operation == "d" or row.get("__deleted") in ("true", True):
            return self._deleted(message, columns, columns.row(schema, "", row), at)
        if columns.mapping.only and operation is None:
            raise SeqguardError(
                f"table {source}: it has a filter (only), and its unwrapped messages do not tell an insert from an"
                " update, which may have left the filter: add op to the transform's add.fields"
            )
        after = _written(message, columns, schema, "", row)
        if not after:
            raise MalformedError(source, "neither a change event nor a row of the table")
        before = None if operation in ("c", "r") else _before(columns, {}, after)
        return Change(source, before, after, message.position, at)

    def _deleted(
        self, message: Message, columns: Columns | None, known: Row, at: datetime | None = None
    ) -> Change | None:
        """A delete, with what is known of the row: at least its key, from the message's key if need be."""
        if columns is None:
            return None
        before = {name: value for name, value in known.items() if name in columns.known}
        if any(name not in before for name in columns.mapping.key):
            before = {**self._key(message, columns), **before}
        return Change(columns.mapping.source, before, None, message.position, at)

    def _key(self, message: Message, columns: Columns) -> Row:
        source, wanted = columns.mapping.source, columns.mapping.key
        if message.key is None:
            raise MalformedError(source, "a delete without key")
        try:
            schema, payload = self._keys.read(message.key)
        except ValueError as error:
            raise MalformedError(source, f"its key is no JSON of Kafka Connect: {error}") from None
        key = columns.row(schema, "key", payload)
        if any(name not in key for name in wanted):
            raise MalformedError(
                source, f"its key does not hold {', '.join(wanted)}, as the mapping's key does"
            )
        return key


def _is_envelope(schema: Schema | None, payload: Mapping[str, Any]) -> bool:
    if schema is not None and schema.name.endswith(".Envelope"):
        return "op" in payload
    return "op" in payload and "source" in payload and ("after" in payload or "before" in payload)


def _is_service(payload: Mapping[str, Any]) -> bool:
    """Heartbeats, schema changes and transactions, where a router brings them into a table's topic."""
    names = payload.keys()
    return names == _HEARTBEAT or names >= _SCHEMA_CHANGE or names >= _TRANSACTION


def _written(message: Message, columns: Columns, schema: Schema | None, part: str, values: Any) -> Row:
    """The row after the change."""
    assert message.value is not None
    if _UNAVAILABLE_TEXT in message.value or _UNAVAILABLE_BASE64 in message.value:
        _refuse_unavailable(columns, values)
    return columns.row(schema, part, values)


def _refuse_unavailable(columns: Columns, values: Any) -> None:
    """PostgreSQL's connector does not have a large value that an update did not change."""
    for name in columns.mapping.reads:
        if isinstance(values, dict) and values.get(name) in _UNAVAILABLE:
            raise MalformedError(
                columns.mapping.source,
                f"column {name}: its value is not in the message, as it was not changed: PostgreSQL sends it"
                " when the source table has REPLICA IDENTITY FULL",
            )


def _before(columns: Columns, known: Row, after: Row) -> Row | None:
    """What is known of the row before an update: its key, if nothing else, as Debezium makes
    a delete and an insert of a change of the key.
    """
    key = {name: after[name] for name in columns.mapping.key if name in after}
    return {**key, **known} or None


def _moment(milliseconds: Any) -> datetime | None:
    if type(milliseconds) is not int or milliseconds <= 0:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
