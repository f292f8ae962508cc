"""The starting file is a mapping file, whatever tables and columns are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqguard.sync.checking.starting import Ends, Pair, check_list, matched, starting_file
from seqguard.sync.mapping import config
from seqguard.sync.mapping.config import MySQL
from seqguard.sync.mysql.client import SourceColumn
from seqguard.sync.target.catalog import TargetColumn, TargetTable

ENDS = Ends("test", MySQL("shop", None), 1, "")
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def pair(source: str, column: str, target: str, schema: str = "public") -> Pair:
    columns = {column: TargetColumn(column, "integer", False, False, False, False)}
    table = TargetTable(1, schema, target, columns, (frozenset({column}),), frozenset(), ())
    return Pair(source, [SourceColumn(column, "int(11)", False, 1, None)], table, {})


@given(NAMES, NAMES, NAMES, NAMES)
def test_names_come_back_as_they_were(source: str, column: str, target: str, schema: str) -> None:
    printed = starting_file(ENDS, [pair(source, column, target, schema)], [source])
    (table,) = config.parse(printed).tables
    assert (table.source, table.key) == (source, (column,))
    assert (table.target_schema, table.target_table) == (schema, target)


@pytest.mark.parametrize(
    ("sources", "targets", "expected"),
    [
        (["users"], ["users"], {"users": "users"}),
        (["new_users", "new_posts"], ["old_posts", "old_users"], {"new_users": "old_users", "new_posts": "old_posts"}),
        (["users", "posts"], ["app_users", "app_posts"], {"users": "app_users", "posts": "app_posts"}),
        (["new_users", "posts"], ["old_users", "old_posts"], {"posts": "old_posts"}),
        (["new_users"], ["old_users"], {}),
        (["a_users", "a_a_users"], ["users", "a_users"], {"a_users": "a_users"}),
    ],
)  # fmt: skip
def test_twins_have_one_name_but_for_what_all_tables_of_a_side_begin_with(
    sources: list[str], targets: list[str], expected: dict[str, str]
) -> None:
    assert matched(sources, targets) == expected


def test_the_values_of_a_check_are_its_texts() -> None:
    definition = (
        "CHECK (((state)::text = ANY ((ARRAY['on'::character varying, 'it''s'::character varying])::text[])))"
    )
    assert check_list(definition) == ("on", "it's")
    assert check_list("CHECK ((name <> ''::text))") == ()
