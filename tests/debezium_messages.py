"""Messages as Debezium's MySQL connector and Kafka Connect's JsonConverter write them, made by hand.

From their documentation; no Kafka Connect was run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Fields = list[dict[str, Any]]

USERS: Fields = [
    {"type": "int32", "optional": False, "field": "id"},
    {"type": "string", "optional": False, "field": "user_name"},
    {"type": "string", "optional": False, "field": "email_address"},
    {"type": "string", "optional": True, "field": "display_name"},
    {
        "type": "string",
        "optional": False,
        "name": "io.debezium.data.Enum",
        "version": 1,
        "parameters": {"allowed": "Active,Inactive,Suspended"},
        "default": "Active",
        "field": "account_status",
    },
    {"type": "string", "optional": False, "default": "revamp", "field": "source"},
    {
        "type": "string",
        "optional": False,
        "name": "io.debezium.time.ZonedTimestamp",
        "version": 1,
        "default": "1970-01-01T00:00:00Z",
        "field": "created_at",
    },
]


def user(number: int, **changed: Any) -> Row:
    """A row of revamp_users as the connector writes it."""
    return {
        "id": number,
        "user_name": f"user{number}",
        "email_address": f"user{number}@example.com",
        "display_name": "Ada \N{FAMILY}" if number % 2 else None,
        "account_status": "Active",
        "source": "revamp",
        "created_at": "2024-05-06T07:08:09.123456Z",
    } | changed


@dataclass(frozen=True)
class Connector:
    """What a connector is set to: schema part or not, and the table it reads."""

    schemas: bool = True
    fields: tuple[dict[str, Any], ...] = tuple(USERS)
    table: str = "revamp_users"
    key: tuple[str, ...] = ("id",)

    @property
    def topic(self) -> str:
        return f"revamp.revamp_db.{self.table}"

    def _named(self, names: tuple[str, ...]) -> Fields:
        return [each for each in self.fields if each["field"] in names]

    def _struct(self, fields: Any, name: str, **more: Any) -> dict[str, Any]:
        return {
            "type": "struct",
            "fields": list(fields),
            "optional": True,
            "name": f"{self.topic}.{name}",
        } | more

    def _message(self, schema: dict[str, Any], payload: Any) -> bytes:
        content = {"schema": schema, "payload": payload} if self.schemas else payload
        return json.dumps(content, separators=(",", ":")).encode()

    def key_of(self, **columns: Any) -> bytes:
        """The key of a message."""
        return self._message(self._struct(self._named(self.key), "Key", optional=False), columns)

    def envelope(self, op: str, before: Row | None = None, after: Row | None = None, **source: Any) -> bytes:
        """A change event."""
        origin = {
            "version": "3.0.0.Final",
            "connector": "mysql",
            "name": "revamp",
            "ts_ms": 1714979289000,
            "snapshot": "last" if op == "r" else "false",
            "db": "revamp_db",
            "sequence": None,
            "table": self.table,
            "server_id": 223344,
            "gtid": None,
            "file": "binlog.000003",
            "pos": 805,
            "row": 0,
            "thread": 7,
            "query": None,
        } | source
        payload: Row = {"before": before, "after": after, "source": origin, "transaction": None, "op": op}
        payload |= {"ts_ms": 1714979289456, "ts_us": 1714979289456789, "ts_ns": 1714979289456789123}
        return self._message(self._envelope_schema(), payload)

    def _envelope_schema(self) -> dict[str, Any]:
        texts = ("version", "connector", "name", "snapshot", "db", "sequence", "table", "gtid", "file", "query")
        origin: Fields = [{"type": "string", "optional": True, "field": name} for name in texts]
        origin += [{"type": "int64", "optional": True, "field": name} for name in ("ts_ms", "server_id", "pos")]
        origin += [{"type": "int32", "optional": True, "field": name} for name in ("row", "thread")]
        source = {"type": "struct", "fields": origin, "optional": False, "field": "source"}
        parts: Fields = [
            self._struct(self.fields, "Value", field="before"),
            self._struct(self.fields, "Value", field="after"),
            source | {"name": "io.debezium.connector.mysql.Source"},
            {"type": "string", "optional": False, "field": "op"},
            {"type": "int64", "optional": True, "field": "ts_ms"},
        ]
        return self._struct(parts, "Envelope", optional=False, version=2)

    def unwrapped(self, row: Row, **added: Any) -> bytes:
        """What ExtractNewRecordState makes of it; added are the fields of add.fields."""
        kinds = {str: "string", int: "int64"}
        fields = [{"type": kinds[type(v)], "optional": True, "field": k} for k, v in added.items()]
        return self._message(self._struct((*self.fields, *fields), "Value", optional=False), row | added)
