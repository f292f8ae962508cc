"""Which tables a pattern means."""

from __future__ import annotations

import pytest
from facts import FACT
from hypothesis import given
from hypothesis import strategies as st

from seqguard.errors import SeqguardError
from seqguard.selection import NoSuchTableError, Selection, quoting_hint, table_matches

USERS = FACT._replace(table_name="users", sequence_oid=1)
POSTS = FACT._replace(table_name="posts", sequence_oid=2)
OLD_USERS = FACT._replace(table_name="users", table_schema="old", sequence_oid=3)
COPY_OF_USERS = FACT._replace(table_name="copy", sequence_oid=1)
LONE = FACT._replace(table_oid=None, table_schema=None, table_name=None, sequence_oid=4)
FACTS = [USERS, COPY_OF_USERS, POSTS, OLD_USERS, LONE]


@pytest.mark.parametrize(
    ("pattern", "schema", "table"),
    [
        ("users", "public", "users"),
        ("users", "old", "users"),
        ("public.users", "public", "users"),
        ("Users", "public", "users"),
        ("us*", "public", "users"),
        ("user?", "public", "users"),
        ("*.users", "old", "users"),
        ("p*.*", "public", "users"),
        ('"Users"', "public", "Users"),
        ('"a.b"', "public", "a.b"),
        ('"*"', "public", "*"),
        ('"say ""hi"""', "public", 'say "hi"'),
        ('"a\nb".t', "a\nb", "t"),
        ('us"ER"s', "public", "usERs"),
    ],
)
def test_a_pattern_means(pattern: str, schema: str, table: str) -> None:
    assert table_matches(pattern, schema, table)


@pytest.mark.parametrize(
    ("pattern", "schema", "table"),
    [
        ("users", "public", "users2"),
        ("users", "public", "legacy_users"),
        ("old.users", "public", "users"),
        ("users", "public", "Users"),
        ('"Users"', "public", "users"),
        ('"us*"', "public", "users"),
        ("user?", "public", "user"),
        ("a.b", "public", "a.b"),
        ("u.ers", "public", "users"),
        ("use+rs", "public", "users"),
        ("other_database.public.users", "public", "users"),
    ],
)
def test_a_pattern_does_not_mean(pattern: str, schema: str, table: str) -> None:
    assert not table_matches(pattern, schema, table)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_can_be_quoted(schema: str, table: str) -> None:
    pattern = ".".join('"' + name.replace('"', '""') + '"' for name in (schema, table))
    assert table_matches(pattern, schema, table)


@given(st.text(), st.text(), st.text())
def test_any_text_is_a_pattern(pattern: str, schema: str, table: str) -> None:
    assert table_matches(pattern, schema, table) in (True, False)


def test_without_a_pattern_every_sequence_that_feeds_a_column_is_chosen() -> None:
    assert Selection().apply(FACTS) == [USERS, COPY_OF_USERS, POSTS, OLD_USERS]


def test_sequences_that_feed_no_column_come_on_request() -> None:
    assert LONE in Selection().apply(FACTS, unattached=True)


def test_a_sequence_comes_with_all_its_columns() -> None:
    assert Selection(tables=("copy",)).apply(FACTS) == [USERS, COPY_OF_USERS]


def test_schemas_are_chosen() -> None:
    assert Selection(schemas=("o*",)).apply(FACTS) == [OLD_USERS]


def test_tables_are_left_out() -> None:
    assert Selection(exclude_tables=("users", "copy")).apply(FACTS) == [POSTS]


def test_all_kinds_of_patterns_hold_at_once() -> None:
    assert Selection(("public",), ("users", "posts"), ("p*.posts",)).apply(FACTS) == [USERS, COPY_OF_USERS]


def test_a_table_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(NoSuchTableError):
        Selection(tables=("users", "user")).apply(FACTS)


def test_a_schema_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(SeqguardError, match='no schema that matches "new"'):
        Selection(schemas=("new",)).apply(FACTS)


def test_a_pattern_of_tables_to_leave_out_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(NoSuchTableError):
        Selection(exclude_tables=("user",)).apply(FACTS)


def test_patterns_that_choose_nothing_together_are_an_error() -> None:
    with pytest.raises(SeqguardError, match='together: schema "old", table "posts"'):
        Selection(schemas=("old",), tables=("posts",)).apply(FACTS)


def test_no_pattern_may_choose_nothing() -> None:
    assert Selection().apply([LONE]) == []


def test_a_schema_of_sequences_that_feed_no_column_can_be_chosen() -> None:
    lone = LONE._replace(sequence_schema="counters")
    assert Selection(schemas=("counters",)).apply([USERS, lone], unattached=True) == [lone]


@pytest.mark.parametrize("names", [{"tables": ("other.public.users",)}, {"exclude_tables": ("a.b.c",)}])
def test_a_table_pattern_has_no_room_for_a_database(names: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(SeqguardError, match=r"too many dots: write schema\.table"):
        Selection(**names)


def test_a_schema_pattern_has_no_dot() -> None:
    with pytest.raises(SeqguardError, match="too many dots: write schema"):
        Selection(schemas=("other.public",))


def test_a_dot_in_double_quotes_is_part_of_the_name() -> None:
    assert Selection(schemas=('"a.b"',)).chooses_table("a.b", "t")


def test_patterns_may_come_in_a_list() -> None:
    assert Selection(tables=["users"]) == Selection(tables=("users",))


def test_one_pattern_without_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Selection.tables takes several patterns: write \['users'\]"):
        Selection(tables="users")  # type: ignore[arg-type]


def test_a_name_missed_by_its_capitals_is_told_in_double_quotes() -> None:
    assert quoting_hint("public.Sa*", [("public", 'Sa"les')]).endswith("""write '"public"."Sa""les"'""")


def test_a_name_missed_by_its_letters_is_not_told() -> None:
    assert not quoting_hint("sale", [("public", "Sales")])


def test_a_schema_missed_by_its_capitals_is_told() -> None:
    with pytest.raises(SeqguardError, match="""write '"Sales"'"""):
        Selection(schemas=("Sales",)).apply([USERS._replace(table_schema="Sales")])
