"""JSON as Kafka Connect writes it, with its schema part or without. A schema is read once, not in every message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

_SCHEMA, _PAYLOAD = '{"schema":', ',"payload":'
_KEPT = 8
_LONGEST = 4000

Fields = Mapping[str, Mapping[str, Any]]
"""The fields of a struct's schema by their names."""


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """The schema of a message: a struct. name ends in .Envelope when it is a change event's."""

    name: str
    fields: Fields

    def struct(self, *names: str) -> Fields:
        """The fields of the first of these fields that there is: before and after have the same."""
        found = next((self.fields[name] for name in names if name in self.fields), {})
        return _by_name(found.get("fields") or ())


@dataclass(slots=True)
class Reader:
    """Reads messages. The beginnings of the last few, up to their payload, are kept with their schemas."""

    _known: dict[bytes, Schema] = field(default_factory=dict)

    def read(self, message: bytes) -> tuple[Schema | None, Any]:
        """The schema, None when there is none, and the payload. Raises ValueError when it is no JSON."""
        for beginning, known in self._known.items():
            if message.startswith(beginning) and message.endswith(b"}"):
                return known, _loads(message[len(beginning) : -1].decode())
        text = message.decode()
        content = _loads(text)
        if not isinstance(content, dict) or content.keys() != {"schema", "payload"}:
            return None, content
        schema = _schema(content["schema"])
        if schema is not None:
            self._keep(text, schema)
        return schema, content["payload"]

    def _keep(self, text: str, schema: Schema) -> None:
        """Keep what is before the payload, when it is written as Connect writes it."""
        if not text.startswith(_SCHEMA):
            return
        _, end = _DECODER.raw_decode(text, len(_SCHEMA))
        if text.startswith(_PAYLOAD, end):
            if len(self._known) == _KEPT:
                del self._known[next(iter(self._known))]
            self._known[text[: end + len(_PAYLOAD)].encode()] = schema


def _schema(content: Any) -> Schema | None:
    if content is None:
        return None
    if not isinstance(content, dict) or content.get("type") != "struct":
        raise ValueError("the schema is not that of a struct")
    return Schema(str(content.get("name") or ""), _by_name(content.get("fields") or ()))


def _by_name(fields: Any) -> Fields:
    try:
        return {each["field"]: each for each in fields}
    except (TypeError, KeyError):
        raise ValueError("the schema has fields without a name") from None


def _number(text: str) -> Decimal:
    """A number with all its digits; none that would fill the memory once it is written out."""
    number = Decimal(text)
    if abs(number.adjusted()) > _LONGEST:
        raise ValueError(f"{text[:50]} is beyond every type's range")
    return number


def _constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_constant)


def _loads(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (RecursionError, ArithmeticError) as error:
        raise ValueError(str(error)) from None
