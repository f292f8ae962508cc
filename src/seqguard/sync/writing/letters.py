"""A change that could not be applied, as it is put aside: values keep their types in JSON. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from seqguard.sync.event import Change, JsonDocument, Position, ZeroDate

if TYPE_CHECKING:
    from collections.abc import Callable

    from seqguard.sync.event import BadMessage, Row, Value

State = Literal["waiting", "dead", "stopped"]

_KEY, _VALUE = "message key", "message value"
_EXACT = 2**53
_MICROSECOND = timedelta(microseconds=1)
_TAGGED: dict[type, tuple[str, Callable[[Any], object]]] = {
    Decimal: ("decimal", str),
    float: ("float", repr),
    bytes: ("bytes", bytes.hex),
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    timedelta: ("microseconds", lambda value: str(value // _MICROSECOND)),
    JsonDocument: ("json", lambda value: value.text),
    ZeroDate: ("zero date", lambda value: value.text),
}
_PLAIN: dict[str, Callable[[str], Value]] = {
    "integer": int,
    "decimal": Decimal,
    "float": float,
    "bytes": bytes.fromhex,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "microseconds": lambda text: int(text) * _MICROSECOND,
    "json": JsonDocument,
    "zero date": ZeroDate,
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A change that could not be applied.

    key and old_key tell the row, in the source's terms; old_key is set where the change was one of the key.
    sqlstate and error are PostgreSQL's, detail says what it means and what to do.
    id is None until it is stored.
    """

    change: Change
    key: str
    old_key: str | None
    state: State
    sqlstate: str
    error: str
    detail: str
    id: int | None = None


def row_text(row: Row | None) -> str | None:
    """A row as JSON."""
    return None if row is None else json.dumps({name: _tagged(value) for name, value in row.items()})


def read_row(text: str | None) -> Row | None:
    """What row_text() wrote."""
    return None if text is None else {name: _plain(value) for name, value in json.loads(text).items()}


def key_text(values: tuple[Value, ...]) -> str:
    """A key as JSON, always the same for the same key."""
    return json.dumps([_tagged(value) for value in values])


def read_key(text: str) -> tuple[Value, ...]:
    """What key_text() wrote."""
    return tuple(_plain(value) for value in json.loads(text))


def of_message(message: BadMessage) -> Letter:
    """The letter of a message that no change could be made of. Its key is where it was read."""
    content = {_KEY: message.key, _VALUE: message.value}
    position = message.position
    return Letter(
        change=Change(message.table, None, content, position),
        key=json.dumps([position.stream, position.offset]),
        old_key=None,
        state="dead",
        sqlstate="",
        error=f"the message cannot be read: {message.reason}",
        detail="its key and value are kept as they came; it cannot be tried again, so drop it when it is dealt with",
    )


def is_message(letter: Letter) -> bool:
    """Whether it is of a message that no change could be made of."""
    return letter.change.after is not None and letter.change.after.keys() == {_KEY, _VALUE}


def change_of(
    table: str, before: str | None, after: str | None, stream: str, offset: Any, at: datetime | None
) -> Change:
    """The change of a stored letter."""
    return Change(table, read_row(before), read_row(after), Position(stream, offset), at)


def _tagged(value: Value) -> object:
    if isinstance(value, int) and abs(value) >= _EXACT:
        return {"integer": str(value)}
    tag = _TAGGED.get(type(value))
    return {tag[0]: tag[1](value)} if tag else value


def _plain(value: Any) -> Value:
    if isinstance(value, dict):
        ((tag, text),) = value.items()
        return _PLAIN[tag](text)
    plain: Value = value
    return plain
