"""The mapping file: what is wrong in it is told with file, table and key, all at once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from generated import ROOT

from seqguard import SeqguardError
from seqguard.sync.mapping import config
from seqguard.sync.mapping.config import BinlogSource, KafkaSource, LetterTopic, MySQL
from seqguard.sync.mapping.section import ConfigError
from seqguard.sync.mysql import client

if TYPE_CHECKING:
    from seqguard.sync.mapping.table import TableRules

HEAD = """
name = "revamp"
[source]
kind = "binlog"
database = "revamp_db"
server_id = 4711
[target]
conninfo = "service=legacy"
"""
KAFKA = """
name = "revamp"
[source]
kind = "kafka"
bootstrap_servers = "kafka:9092"
topic_prefix = "revamp.revamp_db."
[target]
conninfo = ""
"""
TABLE = """
[[table]]
source = "users"
target = "people"
key = ["id"]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text)
    return list(caught.value.lines)


def table(lines: str, head: str = HEAD) -> TableRules:
    return config.parse(head + TABLE + lines).tables[0]


def test_a_binlog_source_is_a_database_and_a_server_id() -> None:
    read = config.parse(HEAD + TABLE)
    assert read.source == BinlogSource(MySQL("revamp_db", None), 4711)
    assert (read.name, read.conninfo, read.mysql) == ("revamp", "service=legacy", MySQL("revamp_db", None))


def test_a_kafka_source_is_a_group_named_like_the_file_and_a_topic_for_each_table() -> None:
    read = config.parse(KAFKA + TABLE)
    assert read.source == KafkaSource("kafka:9092", "revamp", "revamp.revamp_db.", None, None)
    assert read.topic(read.tables[0]) == "revamp.revamp_db.users"


def test_a_table_may_name_its_own_topic() -> None:
    read = config.parse(KAFKA + TABLE + 'topic = "people"')
    assert read.topic(read.tables[0]) == "people"


def test_a_kafka_source_may_name_the_mysql_that_it_comes_from() -> None:
    read = config.parse(KAFKA + '[source.mysql]\ndatabase = "revamp_db"\n' + TABLE)
    assert read.mysql == MySQL("revamp_db", None)


def test_a_topic_for_dead_letters_is_at_the_brokers_of_the_source_unless_it_names_others() -> None:
    section = '[dead_letters]\ntopic = "dead"\n'
    assert config.parse(KAFKA + TABLE + section).dead_letters == LetterTopic("dead", "kafka:9092", None)
    others = section + 'bootstrap_servers = "other:9092"\n'
    assert config.parse(KAFKA + TABLE + others).dead_letters == LetterTopic("dead", "other:9092", None)
    assert config.parse(HEAD + TABLE + others).dead_letters == LetterTopic("dead", "other:9092", None)
    assert config.parse(HEAD + TABLE).dead_letters is None


def test_a_topic_for_dead_letters_needs_brokers_beside_a_binlog() -> None:
    (problem,) = problems(HEAD + TABLE + '[dead_letters]\ntopic = "dead"\n')
    assert problem.startswith("sync.toml: dead_letters.bootstrap_servers:")


def test_a_relative_option_file_is_beside_the_file_that_names_it() -> None:
    text = HEAD.replace("server_id", 'option_file = "my.cnf"\nserver_id')
    assert config.parse(text + TABLE, "conf/sync.toml").mysql == MySQL("revamp_db", "conf/my.cnf")


def test_a_tilde_is_the_home_folder() -> None:
    text = HEAD.replace("server_id", 'option_file = "~/my.cnf"\nserver_id')
    assert config.parse(text + TABLE).mysql == MySQL("revamp_db", str(Path.home() / "my.cnf"))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("people", ("public", "people")),
        ("crm.people", ("crm", "people")),
        ('crm."people.old"', ("crm", "people.old")),
        ('"a""b".People', ('a"b', "People")),
    ],
)
def test_a_target_is_a_table_of_public_or_of_the_schema_before_the_dot(
    target: str, expected: tuple[str, str]
) -> None:
    read = config.parse(HEAD + TABLE.replace('"people"', f"'{target}'")).tables[0]
    assert (read.target_schema, read.target_table) == expected


@pytest.mark.parametrize("target", ["a.b.c", "a.", ".b"])
def test_a_target_of_another_form_is_refused(target: str) -> None:
    (problem,) = problems(HEAD + TABLE.replace("people", target))
    assert problem.startswith("sync.toml: table users: target: write schema.table")


def test_a_column_keeps_its_name_unless_it_is_renamed_left_out_or_gives_way_to_a_constant() -> None:
    rules = table('columns = { nick = "name" }\nleave_out = ["avatar"]\nconstants = { source = "sync" }')
    mapping = rules.complete(["id", "nick", "avatar", "source", "age"])
    assert mapping.columns == {"id": "id", "nick": "name", "age": "age"}


def test_numbers_dates_and_booleans_are_taken_as_they_are() -> None:
    rules = table("constants = { a = 1, b = 1.10, c = true, d = 2024-02-29 }")
    assert rules.constants == {"a": 1, "b": Decimal("1.10"), "c": True, "d": date(2024, 2, 29)}


def test_null_is_a_word_where_a_list_of_values_could_stand() -> None:
    assert table('only.deleted_at = "null"').only == {"deleted_at": frozenset({None})}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [("", True), ('ignore.source = ["sync"]', False), ('ignore.source = ["sync"]\ntruncate = "apply"', True),
     ('truncate = "skip"', False), ('only.status = ["a"]', True)],
)  # fmt: skip
def test_a_truncate_empties_the_target_unless_it_has_rows_of_others(lines: str, expected: bool) -> None:
    assert table(lines).complete(["id"]).truncates is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('colums = { a = "b" }', "colums: unknown key; did you mean columns?"),
        ('topic = "x"', "topic: unknown key; known here: source, target, key, columns"),
        ("columns = 5", "columns: expected a table of keys, got a number"),
        ("columns.a = 5", "columns.a: expected a text, got a number"),
        ('columns = { a = "x", b = "x" }', "columns.a: x is the target of several columns"),
        ('columns.a = "x"\nleave_out = ["a"]', "columns.a: is also in leave_out"),
        ('columns.a = "x"\nconstants.x = 1', "columns.a: x also gets a constant"),
        ('leave_out = ["id"]', "key: column id is in leave_out"),
        ("constants.id = 1", "key: column id gives way to the constant of id"),
        ('leave_out = "a"', "leave_out: expected an array, got a text"),
        ('leave_out = ["a", "a"]', "leave_out: names a column twice"),
        ("values.status = {}", "values.status: lists no value"),
        ('values.status = "x"', "values.status: expected a table of keys, got a text"),
        ("values.status.A = [1]", "values.status.A: expected a text, number, boolean or date, got an array"),
        ('values.a.A = "x"\nleave_out = ["a"]', "values.a: the column is left out"),
        (
            "constants.at = 10:00:00",
            "constants.at: expected a text, number, boolean or date, got a date or time",
        ),
        ("only.status = []", "only.status: expected an array of values"),
        ('ignore.status = "x"', "ignore.status: expected an array of values"),
        ("ignore.status = [[1]]", "ignore.status: expected a text, number, boolean or date, got an array"),
        ('zero_dates = "zero"', "zero_dates: 'zero' is neither 'error' nor 'null'"),
        ('truncate = "no"', "truncate: 'no' is neither 'apply' nor 'skip'"),
    ],
)
def test_a_wrong_table_is_told_with_file_table_and_key(lines: str, expected: str) -> None:
    assert problems(HEAD + TABLE + lines)[0].startswith(f"sync.toml: table users: {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD, "table: is missing"),
        (HEAD.replace('name = "revamp"', "") + TABLE, "name: is missing"),
        (HEAD.replace("revamp_db", "") + TABLE, "source.database: is empty"),
        (HEAD.replace("server_id = 4711", "") + TABLE, "source.server_id: is missing"),
        (HEAD.replace("4711", "0") + TABLE, "source.server_id: 0 is not between 1 and 4294967295"),
        (HEAD.replace("4711", "true") + TABLE, "source.server_id: expected a number, got a boolean"),
        (HEAD.replace("binlog", "postgres") + TABLE, "source.kind: 'postgres' is neither 'binlog' nor 'kafka'"),
        (HEAD.replace("database", "databse") + TABLE, "source.databse: unknown key; did you mean database?"),
        (HEAD.replace("[target]", "[tarjet]") + TABLE, "target: is missing"),
        (HEAD + TABLE + TABLE, "table users: is there more than once"),
        (HEAD + "table = 1", "target.table: unknown key"),
        (HEAD + TABLE.replace('source = "users"', ""), "table 1: source: is missing"),
        ("a = ", "not TOML: Invalid value"),
    ],
)
def test_a_wrong_file_is_told_with_its_key(text: str, expected: str) -> None:
    assert any(problem.startswith(f"sync.toml: {expected}") for problem in problems(text))


def test_every_problem_is_told_at_once() -> None:
    assert len(problems(HEAD.replace("4711", "0") + TABLE + 'truncate = "no"\nzero_dates = 5')) == 3


@pytest.mark.parametrize(
    "conninfo", ["host=db password=hunter2", "postgresql://me:hunter2@db/legacy", "host=db sslpassword=hunter2"]
)
def test_a_password_is_refused_with_where_it_belongs_and_not_shown(conninfo: str) -> None:
    (problem,) = problems(HEAD.replace("service=legacy", conninfo) + TABLE)
    assert "~/.pgpass" in problem
    assert "hunter2" not in problem


def test_an_option_file_of_mysql_in_another_encoding_is_an_error_that_shows_nothing_of_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "client.cnf"
    path.write_bytes("[client]\npassword = gehéim\n".encode("latin-1"))
    with pytest.raises(SeqguardError) as refused:
        client.options(str(path))
    assert str(refused.value) == f"option file {path} is not UTF-8: save it in that encoding"


def test_a_malformed_conninfo_is_refused_and_not_shown() -> None:
    (problem,) = problems(HEAD.replace("service=legacy", "host=db passwd hunter2") + TABLE)
    assert problem.startswith("sync.toml: target.conninfo: libpq cannot read it")
    assert "hunter2" not in problem


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SeqguardError, match=r"nowhere\.toml: No such file"):
        config.load("nowhere.toml")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.toml")), ids=lambda path: str(path.name))
def test_a_mapping_file_of_the_examples_is_right(path: Path) -> None:
    assert config.load(path).tables


ROWS = (ROOT / "docs/sync/mapping.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("key", sorted({key for section in config.KEYS.values() for key in section}))
def test_a_key_has_a_row_in_the_documentation_for_each_section_that_has_it(key: str) -> None:
    assert sum(row.startswith(f"| `{key}` |") for row in ROWS) == sum(key in s for s in config.KEYS.values())
