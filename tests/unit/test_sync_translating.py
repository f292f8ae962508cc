"""What a change means for the target, by the mapping."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqguard.sync.event import Change, Position, Row, ZeroDate
from seqguard.sync.failure import BadValueError
from seqguard.sync.mapping.step import Delete, Rekey, Step, Truncate, Upsert
from seqguard.sync.mapping.table import TableMapping
from seqguard.sync.mapping.translating import translate

if TYPE_CHECKING:
    from seqguard.sync.event import Value

NOWHERE = Position("binlog", {})
PLAIN = TableMapping("users", "public", "people", ("id",), {"id": "id", "nick": "name"})
MAPPED = replace(PLAIN, values={"nick": {"A": "a", "B": "b"}})
ONLY = replace(PLAIN, only={"nick": frozenset({"in"})})
IGNORING = replace(PLAIN, ignore={"source": frozenset({"sync"})})
PAIR = TableMapping("likes", "public", "likes", ("user", "post"), {"user": "user_id", "post": "post_id"})


def change(before: Row | None, after: Row | None) -> Change:
    return Change("users", before, after, NOWHERE)


def user(number: Value = 1, nick: Value = "ada", source: Value = "web") -> dict[str, Value]:
    return {"id": number, "nick": nick, "source": source}


def refused(table: TableMapping, before: Row | None, after: Row | None) -> BadValueError:
    with pytest.raises(BadValueError) as caught:
        translate(change(before, after), table)
    return caught.value


def test_an_insert_is_an_upsert_of_the_mapped_columns_under_their_target_names() -> None:
    event = change(None, user())
    assert translate(event, PLAIN) == Upsert(PLAIN, (1,), {"id": 1, "name": "ada"}, event)


def test_an_update_is_an_upsert() -> None:
    event = change(user(), user(nick="grace"))
    assert translate(event, PLAIN) == Upsert(PLAIN, (1,), {"id": 1, "name": "grace"}, event)


def test_a_delete_is_a_delete_by_key_and_needs_no_other_column() -> None:
    event = change({"id": 1}, None)
    assert translate(event, PLAIN) == Delete(PLAIN, (1,), event)


def test_a_new_key_is_told_with_the_old_one() -> None:
    event = change(user(1), user(2))
    assert translate(event, PLAIN) == Rekey(PLAIN, (1,), (2,), {"id": 2, "name": "ada"}, event)


def test_a_truncate_is_a_truncate_unless_it_is_to_be_skipped() -> None:
    event = change(None, None)
    assert translate(event, PLAIN) == Truncate(PLAIN, event)
    assert translate(event, replace(PLAIN, truncates=False)) is None


def test_a_key_of_two_columns_keeps_its_order() -> None:
    event = change(None, {"post": 2, "user": 1})
    assert translate(event, PAIR) == Upsert(PAIR, (1, 2), {"user_id": 1, "post_id": 2}, event)


def test_a_constant_is_in_every_row() -> None:
    table = replace(PLAIN, constants={"source": "sync"})
    step = translate(change(None, user()), table)
    assert isinstance(step, Upsert)
    assert step.row == {"id": 1, "name": "ada", "source": "sync"}


def test_a_listed_value_becomes_another_and_null_stays_null() -> None:
    steps = [translate(change(None, user(nick=value)), MAPPED) for value in ("A", None)]
    assert [step.row["name"] for step in steps if isinstance(step, Upsert)] == ["a", None]


def test_a_value_that_is_not_listed_is_an_error_that_names_it() -> None:
    error = refused(MAPPED, None, user(nick="C"))
    assert (str(error), error.sqlstate) == ("column nick: values has nothing for 'C'", "22P02")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("0", False), ("false", False), ("1.50", Decimal("1.5")), ("2024-02-29", date(2024, 2, 29))],
)
def test_a_value_is_listed_by_its_text_whatever_its_type(text: str, value: Value) -> None:
    table = replace(PLAIN, values={"nick": {text: "found"}})
    step = translate(change(None, user(nick=value)), table)
    assert isinstance(step, Upsert)
    assert step.row["name"] == "found"


def test_a_listed_value_in_the_key_is_the_same_in_an_upsert_and_in_a_delete() -> None:
    table = replace(PLAIN, values={"id": {"1": 100, "2": 200}})
    rekey = translate(change(user(1), user(2)), table)
    delete = translate(change(user(1), None), table)
    assert isinstance(rekey, Rekey)
    assert isinstance(delete, Delete)
    assert (rekey.old_key, rekey.key, delete.key) == ((100,), (200,), (100,))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, "in", Upsert), (None, "out", None), ("out", "in", Upsert), ("in", "in", Upsert),
        ("in", "out", Delete), ("out", "out", None), ("in", None, Delete), ("out", None, None),
    ],
)  # fmt: skip
def test_a_row_that_leaves_the_filter_is_deleted_and_one_that_enters_it_is_inserted(
    before: str | None, after: str | None, expected: type[Step] | None
) -> None:
    old, new = (None if nick is None else user(nick=nick) for nick in (before, after))
    step = translate(change(old, new), ONLY)
    assert (None if step is None else type(step)) is expected


def test_a_row_of_which_only_the_key_was_known_is_deleted_when_it_is_outside_the_filter() -> None:
    assert isinstance(translate(change({"id": 1}, user(nick="out")), ONLY), Delete)
    assert isinstance(translate(change({"id": 1}, None), ONLY), Delete)


def test_a_new_key_on_the_way_into_the_filter_leaves_the_old_key_alone() -> None:
    assert isinstance(translate(change(user(1, "out"), user(2, "in")), ONLY), Upsert)


def test_a_new_key_on_the_way_out_of_the_filter_deletes_the_old_key() -> None:
    step = translate(change(user(1, "in"), user(2, "out")), ONLY)
    assert isinstance(step, Delete)
    assert step.key == (1,)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, "sync", None), (None, "web", Upsert), ("web", "sync", None),
        ("sync", "web", Upsert), ("sync", "sync", None), ("sync", None, None), ("web", None, Delete),
    ],
)  # fmt: skip
def test_an_ignored_row_is_neither_written_nor_deleted(
    before: str | None, after: str | None, expected: type[Step] | None
) -> None:
    old, new = (None if source is None else user(source=source) for source in (before, after))
    step = translate(change(old, new), IGNORING)
    assert (None if step is None else type(step)) is expected


def test_a_zero_date_is_an_error_or_null() -> None:
    row = user(nick=ZeroDate("0000-00-00"))
    assert refused(PLAIN, None, row).sqlstate == "22007"
    step = translate(change(None, row), replace(PLAIN, zero_dates_as_null=True))
    assert isinstance(step, Upsert)
    assert step.row["name"] is None


def test_a_zero_date_in_a_column_that_is_not_mapped_is_nobodys_business() -> None:
    assert isinstance(translate(change(None, user(source=ZeroDate("0000-00-00"))), PLAIN), Upsert)


def test_null_in_the_key_is_an_error() -> None:
    assert (refused(PLAIN, None, user(None)).column, refused(PLAIN, user(None), None).sqlstate) == (
        "id",
        "23502",
    )


def test_a_row_without_a_column_that_is_needed_is_an_error_that_names_it() -> None:
    assert refused(PLAIN, None, {"id": 1}).column == "nick"
    assert refused(IGNORING, None, {"id": 1, "nick": "ada"}).sqlstate == "42703"
    assert refused(PLAIN, {"nick": "ada"}, user()).column == "id"


def test_a_key_that_is_not_mapped_is_refused() -> None:
    with pytest.raises(ValueError, match="column id of the key is not mapped"):
        TableMapping("users", "public", "people", ("id",), {"nick": "name"})


ROWS = st.none() | st.builds(
    user, st.integers(1, 3), st.sampled_from(["in", "out"]), st.sampled_from(["web", "sync"])
)


@given(st.lists(st.tuples(st.integers(1, 3), ROWS)))
def test_applied_in_order_the_steps_leave_exactly_the_rows_within_the_filter(
    history: list[tuple[int, Row | None]],
) -> None:
    """Rows come, change, get other keys and go; what only says is what is in the target at the end."""
    source: dict[Value, Row] = {}
    target: dict[Value, Row] = {}
    for old, after in history:
        before = source.get(old)
        if (after or before) is None or (after and after["id"] in source.keys() - {old}):
            continue
        apply(translate(change(before, after), ONLY), target)
        source.pop(old, None)
        if after is not None:
            source[after["id"]] = after
    wanted = {key: {"id": key, "name": "in"} for key, row in source.items() if row["nick"] == "in"}
    assert target == wanted


def apply(step: Step | None, target: dict[Value, Row]) -> None:
    if isinstance(step, Rekey):
        del target[step.old_key[0]]
    if isinstance(step, (Upsert, Rekey)):
        target[step.key[0]] = step.row
    if isinstance(step, Delete):
        del target[step.key[0]]
