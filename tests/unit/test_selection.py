"""Which tables a pattern means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from facts import FACT
from hypothesis import given
from hypothesis import strategies as st

from seqguard.errors import SeqguardError
from seqguard.selection import NoSuchTableError, Selection, table_matches

USERS = replace(FACT, table_name="users", sequence_oid=1)
POSTS = replace(FACT, table_name="posts", sequence_oid=2)
OLD_USERS = replace(FACT, table_name="users", table_schema="old", sequence_oid=3)
COPY_OF_USERS = replace(FACT, table_name="copy", sequence_oid=1)
LONE = replace(FACT, table_oid=None, table_schema=None, table_name=None, sequence_oid=4)
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
        ("this_database.public.users", "public", "users"),
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
