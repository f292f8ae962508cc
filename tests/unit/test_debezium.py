"""Debezium's messages as changes: every form that a connector may be set to write."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from debezium_messages import Connector, user
from hypothesis import given
from hypothesis import strategies as st

from seqguard.errors import SeqguardError
from seqguard.sync.event import Change, Position
from seqguard.sync.kafka.debezium import Columns, Decoder, MalformedError, Message
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.target.catalog import TargetColumn, TargetTable

AT = Position("t/0", {"offset": 1})
WRITTEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
COLUMNS = {
    "id": "id",
    "user_name": "username",
    "email_address": "email",
    "display_name": "full_name",
    "account_status": "status",
    "created_at": "created_at",
}
both = pytest.mark.parametrize(
    "connector", [Connector(schemas=True), Connector(schemas=False)], ids=["schema", "bare"]
)


def columns(table: str = "revamp_users", **more: Any) -> Columns:
    mapping = TableMapping(
        table,
        "public",
        "legacy_users",
        ("id",),
        COLUMNS,
        ignore={"source": frozenset({"sync_service"})},
        **more,
    )
    kinds = {"id": "integer", "created_at": "timestamp with time zone"}
    made = {
        name: TargetColumn(name, kinds.get(name, "character varying(50)"), True, True, False, False)
        for name in COLUMNS.values()
    }
    return Columns(mapping, TargetTable(1, "public", "legacy_users", made, (), frozenset(), ()))


def change(
    connector: Connector, value: bytes | None, *, key: bytes | None = None, decoder: Decoder | None = None
) -> Change | None:
    decoder = decoder or Decoder({connector.topic: [columns()]})
    key = connector.key_of(id=7) if key is None else key
    return decoder.change(Message(connector.topic, key or None, value, AT))


def decoded(**changed: Any) -> dict[str, Any]:
    created = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    return user(7, **changed) | {"created_at": created}


def known(**changed: Any) -> dict[str, Any]:
    return {"id": 7, "source": "revamp"} | changed


@both
def test_an_insert(connector: Connector) -> None:
    assert change(connector, connector.envelope("c", after=user(7))) == Change(
        "revamp_users", None, decoded(), AT, WRITTEN
    )


@both
def test_a_row_of_a_snapshot_has_no_time(connector: Connector) -> None:
    assert change(connector, connector.envelope("r", after=user(7))) == Change(
        "revamp_users", None, decoded(), AT
    )


@both
def test_an_update_keeps_of_the_old_row_what_is_looked_at(connector: Connector) -> None:
    value = connector.envelope("u", user(7, source="sync_service"), user(7, user_name="new"))
    assert change(connector, value) == Change(
        "revamp_users", known(source="sync_service"), decoded(user_name="new"), AT, WRITTEN
    )


@both
def test_an_update_without_the_old_row_is_known_by_its_key(connector: Connector) -> None:
    value = connector.envelope("u", None, user(7))
    assert change(connector, value) == Change("revamp_users", {"id": 7}, decoded(), AT, WRITTEN)


@both
def test_a_delete(connector: Connector) -> None:
    value = connector.envelope("d", user(7))
    assert change(connector, value) == Change("revamp_users", known(), None, AT, WRITTEN)


@both
def test_a_delete_without_the_old_row_takes_the_messages_key(connector: Connector) -> None:
    value = connector.envelope("d")
    assert change(connector, value) == Change("revamp_users", {"id": 7}, None, AT, WRITTEN)


@both
def test_a_tombstone_is_a_delete_by_the_messages_key(connector: Connector) -> None:
    for value in (None, b"null"):
        assert change(connector, value) == Change("revamp_users", {"id": 7}, None, AT)


@both
def test_a_truncate(connector: Connector) -> None:
    assert change(connector, connector.envelope("t"), key=b"") == Change(
        "revamp_users", None, None, AT, WRITTEN
    )


@both
def test_a_logical_message_is_nothing(connector: Connector) -> None:
    assert change(connector, connector.envelope("m")) is None


@both
def test_an_unwrapped_row_may_be_an_insert_or_an_update(connector: Connector) -> None:
    assert change(connector, connector.unwrapped(user(7))) == Change("revamp_users", {"id": 7}, decoded(), AT)


@both
@pytest.mark.parametrize(("op", "before"), [("c", None), ("u", {"id": 7})])
def test_an_unwrapped_row_may_tell_its_operation_and_time(
    connector: Connector, op: str, before: dict[str, Any] | None
) -> None:
    value = connector.unwrapped(user(7), __op=op, __table="revamp_users", __source_ts_ms=1714979289000)
    assert change(connector, value) == Change("revamp_users", before, decoded(), AT, WRITTEN)


@both
@pytest.mark.parametrize("added", [{"__deleted": "true"}, {"__op": "d", "__deleted": "true"}])
def test_an_unwrapped_delete_is_marked(connector: Connector, added: dict[str, str]) -> None:
    value = connector.unwrapped(user(7), **added)
    assert change(connector, value) == Change("revamp_users", known(), None, AT)


@both
def test_a_row_that_is_marked_as_not_deleted_is_written(connector: Connector) -> None:
    value = connector.unwrapped(user(7), __deleted="false", __op="c")
    assert change(connector, value) == Change("revamp_users", None, decoded(), AT)


@both
def test_an_unwrapped_row_needs_its_operation_for_a_filter(connector: Connector) -> None:
    decoder = Decoder({connector.topic: [columns(only={"account_status": frozenset({"Active"})})]})
    with pytest.raises(SeqguardError, match=r"add op to the transform's add\.fields"):
        change(connector, connector.unwrapped(user(7)), decoder=decoder)
    assert change(connector, connector.unwrapped(user(7), __op="u"), decoder=decoder)


@both
def test_a_topic_of_several_tables_is_told_apart_by_the_message(connector: Connector) -> None:
    decoder = Decoder({connector.topic: [columns(), columns("revamp_people")]})
    people = connector.envelope("c", after=user(7), table="revamp_people")
    for value in (people, connector.unwrapped(user(7), __table="revamp_people")):
        found = change(connector, value, decoder=decoder)
        assert found
        assert found.table == "revamp_people"
    assert change(connector, connector.envelope("c", after=user(7), table="others"), decoder=decoder) is None
    with pytest.raises(MalformedError, match="does not say which"):
        change(connector, connector.unwrapped(user(7)), decoder=decoder)


@both
def test_a_new_column_is_ignored_and_a_lost_one_is_told(connector: Connector) -> None:
    table = columns()
    decoder = Decoder({connector.topic: [table]})
    wider = Connector(
        connector.schemas, (*connector.fields, {"type": "string", "field": "new", "optional": True})
    )
    same = change(wider, wider.envelope("c", after=user(7, new="x")), decoder=decoder)
    assert same == Change("revamp_users", None, decoded(), AT, WRITTEN)
    assert same.after
    assert table.missing(same.after) == frozenset()
    fields = tuple(each for each in connector.fields if each["field"] != "user_name")
    narrower = Connector(connector.schemas, fields)
    row = {name: value for name, value in user(7).items() if name != "user_name"}
    less = change(narrower, narrower.envelope("c", after=row), decoder=decoder)
    assert less
    assert less.after
    assert table.missing(less.after) == {"user_name"}


def test_service_messages_in_a_tables_topic_are_nothing() -> None:
    bare = Connector(schemas=False)
    for content in (
        {"ts_ms": 1714979289000},
        {"source": {}, "ts_ms": 1, "databaseName": "revamp_db", "ddl": "ALTER TABLE x", "tableChanges": []},
        {"status": "END", "id": "file=1,pos=2", "event_count": 2, "data_collections": [], "ts_ms": 1},
    ):
        assert change(bare, json.dumps(content).encode()) is None


def test_a_missing_large_value_of_postgresql_is_explained() -> None:
    connector = Connector()
    value = connector.envelope("u", None, user(7, display_name="__debezium_unavailable_value"))
    with pytest.raises(MalformedError, match=r"display_name.*REPLICA IDENTITY FULL"):
        change(connector, value)


def test_a_number_for_a_timestamp_asks_for_its_type() -> None:
    bare = Connector(schemas=False)
    value = bare.envelope("c", after=user(7, created_at=1714979289123456))
    with pytest.raises(SeqguardError, match=r"column created_at.*schemas\.enable.*types = \{ created_at"):
        change(bare, value)
    hinted = Decoder({bare.topic: [columns(types={"created_at": "io.debezium.time.MicroTimestamp"})]})
    found = change(bare, value, decoder=hinted)
    assert found
    assert found.after
    assert found.after["created_at"] == datetime(2024, 5, 6, 7, 8, 9, 123456)  # noqa: DTZ001


def test_a_new_schema_is_read_as_it_comes() -> None:
    first = Connector()
    decoder = Decoder({first.topic: [columns()]})
    micro = {"type": "int64", "name": "io.debezium.time.MicroTimestamp", "field": "created_at"}
    second = Connector(fields=(*first.fields[:-1], micro))
    for _ in range(3):
        one = change(first, first.envelope("c", after=user(7)), decoder=decoder)
        two = change(second, second.envelope("c", after=user(7, created_at=0)), decoder=decoder)
        assert one
        assert one.after == decoded()
        assert two
        assert two.after == user(7) | {"created_at": datetime(1970, 1, 1)}  # noqa: DTZ001


def test_more_schemas_than_are_kept_are_read_all_the_same() -> None:
    decoder = Decoder({Connector().topic: [columns()]})
    for number in range(60):
        extra = {"type": "string", "optional": True, "field": f"c{number}"}
        connector = Connector(fields=(*Connector().fields, extra))
        for _ in range(2):
            found = change(connector, connector.envelope("c", after=user(7)), decoder=decoder)
            assert found
            assert found.after == decoded()


ENVELOPE = Connector().envelope("c", after=user(7))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999999999}', "range"),
        (ENVELOPE[:-10], "no JSON"),
        (b"3", "neither"),
        (b'{"foo": 1}', "neither"),
        (b'{"schema": {"type": "string"}, "payload": "x"}', "struct"),
        (b'{"schema": {"type": "struct", "fields": [1]}, "payload": {}}', "fields"),
        (Connector().envelope("x", after=user(7)), "op is 'x'"),
        (ENVELOPE.replace(b'"op":"c"', b'"op":["c"]'), "op is"),
        (b'{"__deleted": [], "__op": {}}', "neither"),
        (Connector().envelope("c"), "after is no row"),
        (Connector().envelope("c", after=user(7) | {"id": "seven"}), "column id: 'seven' is no integer"),
        (Connector().envelope("c", after=user(7, created_at="soon")), "column created_at"),
    ],
    ids=range(17),
)
def test_what_is_no_change_event_is_malformed(value: bytes, reason: str) -> None:
    decoder = Decoder({Connector().topic: [columns()]})
    change(Connector(), ENVELOPE, decoder=decoder)
    with pytest.raises(MalformedError, match=reason) as caught:
        change(Connector(), value, decoder=decoder)
    assert caught.value.table == "revamp_users"


@pytest.mark.parametrize(
    ("key", "reason"),
    [(b"", "without key"), (b"Struct{id=7}", "no JSON"), (b'{"uuid": 1}', "hold id"), (b"7", "no row")],
)
def test_a_tombstone_needs_a_key_that_can_be_read(key: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        change(Connector(), None, key=key)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner) | st.dictionaries(st.sampled_from(["schema", "payload", "op", "source", "after", "before",
    "id", "type", "fields", "field", "name", "table", "__op", "__deleted"]) | st.text(), inner))))  # fmt: skip
def test_any_json_is_a_change_nothing_or_malformed(content: Any) -> None:
    value = json.dumps(content).encode()
    try:
        found = change(Connector(), value)
    except (MalformedError, SeqguardError):
        return
    assert found is None or found.table == "revamp_users"
