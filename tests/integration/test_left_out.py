"""What check leaves out, what it lists on request, and what it will not judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import one

import seqguard

if TYPE_CHECKING:
    from conftest import Connect, Connection

BEHIND = "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t VALUES (16);"


def found(db: Connection, *, unattached: bool = False) -> list[str]:
    return [sequence.sequence for sequence in seqguard.check(db, unattached=unattached).sequences]


def test_a_fresh_database_has_nothing_to_report(db: Connection) -> None:
    assert found(db, unattached=True) == []


def test_system_sequences_are_left_out(db: Connection) -> None:
    db.execute("SET allow_system_table_mods = on; CREATE SEQUENCE pg_catalog.s")
    assert found(db, unattached=True) == []


def test_schema_seqguard_is_left_out(db: Connection) -> None:
    db.execute("CREATE SCHEMA seqguard CREATE TABLE t (id serial)")
    assert found(db, unattached=True) == []


def test_extension_owned_tables_are_left_out(db: Connection) -> None:
    db.execute(BEHIND + "ALTER EXTENSION plpgsql ADD TABLE t")
    assert found(db) == []


def test_extension_owned_sequences_are_left_out(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE TABLE t (id int DEFAULT nextval('s')); INSERT INTO t VALUES (16)")
    db.execute("ALTER EXTENSION plpgsql ADD SEQUENCE s")
    assert found(db, unattached=True) == []


def test_another_sessions_temporary_tables_are_left_out(connect: Connect, db: Connection) -> None:
    connect().execute("CREATE TEMPORARY TABLE t (id serial); INSERT INTO t VALUES (16)")
    assert found(db, unattached=True) == []


def test_a_sequence_that_feeds_no_column_is_left_out(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s")
    assert found(db) == []


def test_a_sequence_that_feeds_no_column_is_listed_on_request(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; SELECT nextval('s'), nextval('s')")
    (sequence,) = seqguard.check(db, unattached=True).sequences
    assert (sequence.sequence, sequence.status, sequence.next_value, sequence.columns) == (
        "public.s",
        "ok",
        3,
        (),
    )


def test_an_owned_sequence_that_nothing_draws_from_is_listed_on_request(db: Connection) -> None:
    db.execute("CREATE TABLE t (id serial); CREATE SEQUENCE s; ALTER TABLE t ALTER id SET DEFAULT nextval('s')")
    assert (found(db), found(db, unattached=True)) == (["public.s"], ["public.s", "public.t_id_seq"])


@pytest.mark.parametrize(
    ("column_type", "default"),
    [
        ("text", "lpad(nextval('s')::text, 8, '0')"),
        ("text", "to_char(nextval('s'), 'FM00000')"),
        ("text", "upper('inv-' || nextval('s'))"),
        ("text", "'A' || nextval('s') || '-' || nextval('s')"),
        ("text", "'A' || current_date || nextval('s')"),
        ("text", "concat_ws('-', 'A', nextval('s'))"),
        ("text", "md5(nextval('s')::text)"),
        ("int", "nextval('s') * 10"),
        ("int", "nextval('s') + nextval('s')"),
        ("int", "- nextval('s')"),
        ("bigint", "- nextval('s')"),
        ("int", "abs(nextval('s'))"),
        ("bigint", "abs(nextval('s'))"),
        ("int", "nextval('s') % 100"),
        ("int", "CASE WHEN current_user = 'alice' THEN nextval('s') ELSE 1 END"),
        ("int", "coalesce(nextval('s'), 1)"),
        ("int", "length(repeat('x', nextval('s')::int))"),
        ("oid", "nextval('s')"),
        ("bytea", "nextval('s')::text::bytea"),
        ("int[]", "ARRAY[nextval('s')]"),
        ("jsonb", "jsonb_build_object('id', nextval('s'))"),
    ],
)
def test_a_default_that_cannot_be_judged_is_never_ok(db: Connection, column_type: str, default: str) -> None:
    db.execute(f"CREATE SEQUENCE s; CREATE TABLE t (id {column_type} DEFAULT {default})".encode())
    (sequence,) = seqguard.check(db).sequences
    assert (sequence.status, sequence.furthest, sequence.next_value) == ("unjudged", None, 1)
    assert sequence.notes[0].startswith("unjudged: public.t.id: cannot judge ")


def test_the_default_of_a_view_is_not_judged(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE TABLE t (id int); CREATE VIEW v AS TABLE t")
    db.execute("ALTER VIEW v ALTER id SET DEFAULT nextval('s')")
    (sequence,) = seqguard.check(db).sequences
    assert (sequence.status, sequence.notes) == (
        "unjudged",
        ("unjudged: public.v.id: a view: judge the table behind it",),
    )


def test_a_view_that_is_excluded_leaves_the_table_behind_it_judged(db: Connection) -> None:
    db.execute("CREATE TABLE t (id serial); CREATE VIEW v AS TABLE t")
    db.execute("ALTER VIEW v ALTER id SET DEFAULT nextval('t_id_seq')")
    report = seqguard.check(db, seqguard.Selection(exclude_tables=("v",)))
    assert [sequence.status for sequence in report.sequences] == ["ok"]


def test_a_sequence_that_only_the_search_path_of_an_insert_finds_is_found(db: Connection) -> None:
    db.execute("CREATE SCHEMA other; CREATE SEQUENCE other.s")
    db.execute("CREATE TABLE t (id int DEFAULT nextval('s'::text::regclass)); INSERT INTO t VALUES (16)")
    assert [(s.sequence, s.status, s.target) for s in seqguard.check(db).sequences] == [
        ("other.s", "behind", 16)
    ]


def test_a_name_that_several_sequences_have_is_judged_for_none_of_them(db: Connection) -> None:
    db.execute("CREATE SCHEMA other; CREATE SEQUENCE s; CREATE SEQUENCE other.s")
    db.execute("CREATE TABLE t (id int DEFAULT nextval('s'::text::regclass))")
    report = seqguard.check(db)
    assert {s.sequence: s.status for s in report.sequences} == {"other.s": "unjudged", "public.s": "unjudged"}


def test_a_domains_default_does_not_feed_a_column_with_one_of_its_own(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE DOMAIN new_id AS bigint DEFAULT nextval('s')")
    db.execute("CREATE TABLE t (a new_id DEFAULT 1)")
    assert found(db) == []


def test_an_unjudged_column_does_not_hide_another_that_is_ahead(db: Connection) -> None:
    db.execute(BEHIND + "CREATE TABLE u (id int DEFAULT nextval('t_id_seq') * 10)")
    assert [s.status for s in seqguard.check(db).sequences] == ["behind"]


def test_an_unjudged_sequence_is_left_by_fix(db: Connection) -> None:
    db.execute(
        "CREATE SEQUENCE s; CREATE TABLE t (id int DEFAULT nextval('s') * 10); INSERT INTO t VALUES (160)"
    )
    seqguard.fix(db)
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == 10


def test_a_default_without_nextval_feeds_nothing(db: Connection) -> None:
    db.execute("CREATE SEQUENCE s; CREATE TABLE t (id int DEFAULT 1, note text DEFAULT 'nextval(''s'')')")
    assert found(db) == []


def test_a_tables_pattern_brings_its_sequences_only(db: Connection) -> None:
    db.execute(BEHIND + "CREATE TABLE u (id serial)")
    report = seqguard.check(db, seqguard.Selection(tables=("u",)))
    assert [sequence.sequence for sequence in report.sequences] == ["public.u_id_seq"]
