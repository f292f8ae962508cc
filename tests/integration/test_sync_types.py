"""Every type of MySQL: from a real MariaDB row to a real PostgreSQL row, by the snapshot and by the binlog."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pipes import Reading, mapping
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import one, rows
from mariadb import Execute, database, execute, fresh, mariadb

from seqguard.sync.event import Change, ZeroDate
from seqguard.sync.mysql import client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.demo.mariadb import MariaDB
    from seqguard.demo.server import Server

__all__ = ["database", "execute", "mariadb"]

NEPAL = "+05:45"  # no round zone hides a mistake

CASES: list[tuple[str, str, str, str | None]] = [
    # MySQL type, literal, PostgreSQL type, its text there
    ("tinyint", "-128", "smallint", "-128"),
    ("tinyint unsigned", "255", "smallint", "255"),
    ("tinyint(1)", "1", "boolean", "true"),
    ("tinyint(1)", "0", "boolean", "false"),
    ("tinyint(1)", "2", "smallint", "2"),
    ("smallint", "-32768", "smallint", "-32768"),
    ("smallint unsigned", "65535", "integer", "65535"),
    ("mediumint", "-8388608", "integer", "-8388608"),
    ("mediumint unsigned", "16777215", "integer", "16777215"),
    ("int", "-2147483648", "integer", "-2147483648"),
    ("int unsigned", "4294967295", "bigint", "4294967295"),
    ("int(5) zerofill", "42", "integer", "42"),
    ("bigint", "-9223372036854775808", "bigint", "-9223372036854775808"),
    ("bigint unsigned", "18446744073709551615", "numeric(20,0)", "18446744073709551615"),
    ("decimal(65,30)", f"-{'9' * 35}.{'9' * 30}", "numeric(65,30)", f"-{'9' * 35}.{'9' * 30}"),
    ("decimal(65,30)", f"0.{'0' * 29}1", "numeric(65,30)", f"0.{'0' * 29}1"),
    ("decimal(65,0)", "9" * 65, "numeric", "9" * 65),
    ("decimal(38,38)", "-0." + "1" * 38, "numeric(38,38)", "-0." + "1" * 38),
    ("decimal(10,2)", "-0.05", "numeric(10,2)", "-0.05"),
    ("decimal(10,2)", "0", "numeric(10,2)", "0.00"),
    ("decimal(18,9)", "123456789.000000001", "numeric(18,9)", "123456789.000000001"),
    ("float", "0.1", "real", "0.1"),
    ("float", "0.1", "double precision", "0.1"),
    ("float", "-3.4028235e38", "real", "-3.4028235e+38"),
    ("float", "16777217", "real", "1.6777216e+07"),
    ("double", "0.1", "double precision", "0.1"),
    ("double", "-1.7976931348623157e308", "double precision", "-1.7976931348623157e+308"),
    ("double", "2.2250738585072014e-308", "double precision", "2.2250738585072014e-308"),
    ("bit(1)", "b'1'", "boolean", "true"),
    ("bit(1)", "b'0'", "boolean", "false"),
    ("bit(3)", "b'101'", "integer", "5"),
    ("bit(8)", "b'00000101'", "bit(8)", "00000101"),
    ("bit(10)", "b'1000000001'", "bit(10)", "1000000001"),
    ("bit(64)", "18446744073709551615", "bit(64)", "1" * 64),
    ("char(5)", "'ab'", "text", "ab"),
    ("char(5)", "'ab'", "character(5)", "ab"),
    ("char(100) charset utf8mb4", "'é'", "text", "é"),
    ("varchar(20)", "''", "text", ""),
    ("varchar(20)", "'  two  '", "character varying(20)", "  two  "),
    ("varchar(300) charset utf8mb4", "'😀é\\n\\t\\\\'", "text", "😀é\n\t\\"),
    ("varchar(20) charset utf8mb3", "'čé'", "text", "čé"),
    ("varchar(20) charset latin1", "'é€ß'", "text", "é€ß"),
    ("varchar(20) charset latin1", "0x81", "text", "\x81"),
    ("varchar(20) charset ucs2", "'aé'", "text", "aé"),
    ("varchar(20) charset utf16", "'😀'", "text", "😀"),
    ("varchar(20) charset utf16le", "'😀'", "text", "😀"),
    ("varchar(20) charset utf32", "'😀'", "text", "😀"),
    ("varchar(20) charset koi8r", "'привет'", "text", "привет"),
    ("varchar(20) charset cp1251", "'привет'", "text", "привет"),
    ("varchar(20) charset sjis", "'日本'", "text", "日本"),
    ("varchar(20) charset gbk", "'中文'", "text", "中文"),
    ("varchar(20) charset utf8mb4 collate utf8mb4_uca1400_ai_ci", "'😀'", "text", "😀"),
    ("tinytext", "'tiny'", "text", "tiny"),
    ("text charset latin1", "repeat('é', 3000)", "text", "é" * 3000),
    ("mediumtext", "repeat('m', 70000)", "text", "m" * 70000),
    ("longtext", "'😀'", "text", "😀"),
    ("binary(4)", "0x6100", "bytea", "\\x61000000"),
    ("binary(4)", "''", "bytea", "\\x00000000"),
    ("binary(16)", "0x00112233445566778899aabbccddee00", "uuid", "00112233-4455-6677-8899-aabbccddee00"),
    ("varbinary(10)", "0x00ff00", "bytea", "\\x00ff00"),
    ("varbinary(300)", "0x00", "bytea", "\\x00"),
    ("blob", "0x00ff5c", "bytea", "\\x00ff5c"),
    ("tinyblob", "''", "bytea", "\\x"),
    ("longblob", "repeat(0xfe, 3)", "bytea", "\\xfefefe"),
    ("date", "'2024-02-29'", "date", "2024-02-29"),
    ("date", "'9999-12-31'", "date", "9999-12-31"),
    ("time", "'12:34:56'", "time", "12:34:56"),
    ("time(6)", "'23:59:59.999999'", "time", "23:59:59.999999"),
    ("time", "'-838:59:59'", "interval", "-838:59:59"),
    ("time", "'25:00:01'", "interval", "25:00:01"),
    ("time(6)", "'-00:00:00.000001'", "interval", "-00:00:00.000001"),
    ("time(3)", "'-12:34:56.789'", "interval", "-12:34:56.789"),
    ("time(1)", "'-01:00:00.5'", "interval", "-01:00:00.5"),
    ("datetime", "'2024-02-29 23:59:59'", "timestamp", "2024-02-29 23:59:59"),
    ("datetime", "'1000-01-01 00:00:00'", "timestamp", "1000-01-01 00:00:00"),
    ("datetime(6)", "'9999-12-31 23:59:59.999999'", "timestamp", "9999-12-31 23:59:59.999999"),
    ("datetime(1)", "'2024-01-01 00:00:00.5'", "timestamp", "2024-01-01 00:00:00.5"),
    ("datetime(3)", "'2024-01-01 00:00:00.120'", "timestamp", "2024-01-01 00:00:00.12"),
    ("datetime(5)", "'2024-01-01 00:00:00.00001'", "timestamp", "2024-01-01 00:00:00.00001"),
    ("datetime", "'2024-01-01 00:00:00'", "timestamptz", "2024-01-01 00:00:00+00"),
    ("timestamp null", "'2024-01-01 00:00:00'", "timestamptz", "2023-12-31 18:15:00+00"),
    ("timestamp(6) null", "'2024-07-01 00:00:00.000001'", "timestamptz", "2024-06-30 18:15:00.000001+00"),
    ("timestamp(2) null", "'2024-07-01 00:00:00.25'", "timestamp", "2024-06-30 18:15:00.25"),
    ("year", "2024", "smallint", "2024"),
    ("year", "0", "smallint", "0"),
    ("enum('a','b')", "'b'", "text", "b"),
    ("enum('a','b')", "'b'", "mood", "b"),
    ("enum('a','b')", "0", "text", ""),
    ("enum('a','é','it''s') charset latin1", "'é'", "text", "é"),
    ("set('a','b','c')", "'c,a'", "text", "a,c"),
    ("set('a','b','c')", "'c,a'", "text[]", "{a,c}"),
    ("set('a','b','c')", "''", "text", ""),
    ("set('a','b','c')", "''", "text[]", "{}"),
    ("json", '\'{"b": [1, 2.50, "é😀"], "a": null}\'', "jsonb", '{"a": null, "b": [1, 2.50, "é😀"]}'),
    ("json", "'12345678901234567890.10'", "json", "12345678901234567890.10"),
    ("uuid", "'00112233-4455-6677-8899-aabbccddee00'", "uuid", "00112233-4455-6677-8899-aabbccddee00"),
    ("inet6", "'2001:db8::ff00'", "inet", "2001:db8::ff00/128"),
    ("inet4", "'10.0.0.1'", "inet", "10.0.0.1/32"),
    ("point", "point(1, 2)", "bytea", "\\x000000000101000000000000000000f03f0000000000000040"),
]
WHERE = {"snapshot": 1, "insert": 2, "update": 3}
"""The row that each way brings."""


ZERO_DATES = [
    # MySQL type, literal, what is known of it
    ("date", "0000-00-00", "0000-00-00"),
    ("date", "2024-02-00", "2024-02-00"),
    ("datetime(6)", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
    ("datetime(3)", "2024-02-00 10:00:00.5", "2024-02-00 10:00:00.5"),
    ("datetime", "0000-01-01 10:00:00", "0000-01-01 10:00:00"),
    ("timestamp(3) null", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
]


@dataclass
class Copied:
    """What has become of every case."""

    target: psycopg.Connection[Any]
    changes: list[Change]


def names() -> Iterator[tuple[int, str]]:
    for number, (kind, literal, target, _) in enumerate(CASES):
        yield number, f"{kind} {literal[:30]} to {target}"


@pytest.fixture(scope="module")
def copied(server: Server, mariadb: MariaDB) -> Iterator[Copied]:
    """Every case in a column of its own: row 1 by the snapshot, rows 2 and 3 by the binlog, row 4 deleted."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE bare".encode())
    dsn = f"{server.conninfo(name)} options='-c timezone=UTC'"
    zone = os.environ.get("TZ")
    try:
        os.environ["TZ"] = "America/St_Johns"
        time.tzset()
        with fresh(mariadb) as database, psycopg.connect(dsn, autocommit=True) as target:
            yield Copied(target, copy_all(mariadb, database, target, dsn))
    finally:
        os.environ.pop("TZ") if zone is None else os.environ.update(TZ=zone)
        time.tzset()
        with psycopg.connect(server.conninfo(), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def copy_all(server: MariaDB, schema: str, target: psycopg.Connection[Any], dsn: str) -> list[Change]:
    names = [f"v{number}" for number in range(len(CASES))]
    types = ", ".join(f"{name} {case[2]}" for name, case in zip(names, CASES, strict=True))
    target.execute("CREATE TYPE mood AS ENUM ('a', 'b')")
    target.execute(f"CREATE TABLE t (id integer PRIMARY KEY, {types})".encode())
    reading = Reading(server, schema, [mapping("t", *names)])
    with server.connect(schema) as source:
        create_and_fill(source, names)
        reading.copy(dsn)
        change(source, names)
        reading.copy(dsn)
    assert target.execute("SELECT sqlstate, error FROM seqguard_sync.dead_letters").fetchall() == []
    return reading.changes


def create_and_fill(source: client.Connection, names: list[str]) -> None:
    types = ", ".join(f"{name} {case[0]}" for name, case in zip(names, CASES, strict=True))
    literals = ", ".join(case[1] for case in CASES)
    client.query(source, f"SET time_zone = '{NEPAL}'")
    client.query(source, f"CREATE TABLE t (id int PRIMARY KEY, {types})")
    client.query(source, f"INSERT INTO t VALUES (1, {literals})")


def change(source: client.Connection, names: list[str]) -> None:
    literals = ", ".join(case[1] for case in CASES)
    settings = ", ".join(f"{name} = {case[1]}" for name, case in zip(names, CASES, strict=True))
    client.query(source, f"INSERT INTO t VALUES (2, {literals}), (4, {literals})")
    client.query(source, "INSERT INTO t (id) VALUES (3)")
    client.query(source, f"UPDATE t SET {settings} WHERE id = 3")
    client.query(source, "DELETE FROM t WHERE id = 4")


@pytest.mark.parametrize("way", WHERE)
@pytest.mark.parametrize(("number", "name"), [pytest.param(*case, id=case[1]) for case in names()])
def test_arrives_as_what_it_is(copied: Copied, number: int, name: str, way: str) -> None:
    assert one(copied.target, f"SELECT v{number}::text FROM t WHERE id = {WHERE[way]}") == CASES[number][3], (
        name
    )


def test_a_deleted_row_is_gone(copied: Copied) -> None:
    assert rows(copied.target, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


@pytest.mark.parametrize(("number", "name"), [pytest.param(*case, id=case[1]) for case in names()])
def test_snapshot_and_binlog_bring_the_same_value(copied: Copied, number: int, name: str) -> None:
    images = [image for change in copied.changes for image in (change.before, change.after) if image]
    values = [image[f"v{number}"] for image in images if image[f"v{number}"] is not None]
    # inserted thrice, updated once, deleted once
    assert len(values) == 5
    assert {(type(value), str(value)) for value in values} == {(type(values[0]), str(values[0]))}, name


def test_null_stays_null(copied: Copied) -> None:
    (inserted,) = [
        change.after for change in copied.changes if change.after and set(change.after.values()) == {3, None}
    ]
    assert len(inserted) == len(CASES) + 1


@pytest.mark.parametrize(("kind", "literal", "text"), ZERO_DATES)
def test_zero_dates_are_told_from_null(
    mariadb: MariaDB,
    database: str,
    execute: Execute,
    kind: str,
    literal: str,
    text: str,
) -> None:
    execute(f"CREATE TABLE t (id int PRIMARY KEY, v {kind})")
    execute("INSERT INTO t VALUES (1, %s)", literal)
    reading = Reading(mariadb, database, [mapping("t", "v")])
    reading.read()
    execute("INSERT INTO t VALUES (2, %s), (3, NULL)", literal)
    reading.read()
    assert [change.after and change.after["v"] for change in reading.changes] == [
        ZeroDate(text),
        ZeroDate(text),
        None,
    ]
