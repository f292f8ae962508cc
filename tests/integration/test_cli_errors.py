"""Bad input gets one line that says what is wrong, and shows no password."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from console import Result, as_variables, run

from seqguard import SeqguardError, pg

if TYPE_CHECKING:
    from conftest import Connection

    from seqguard.demo.server import Server


def assert_one_line(result: Result) -> None:
    """Exit code 2, and one line on stderr that says what is wrong."""
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(r"seqguard: [^\n]+\n", result.err)


BAD_INPUT = {
    "host": (["check", "host=no.such.host.invalid"], "no.such.host.invalid"),
    "socket": (["check", "host=/nonexistent"], "/nonexistent"),
    "database": (["check", "{dsn} dbname=nosuchdb"], '"nosuchdb" does not exist'),
    "role": (["check", "{dsn} user=nosuchrole"], '"nosuchrole" does not exist'),
    "option": (["check", "--nosuch"], "No such option '--nosuch'"),
    "command": (["nosuch"], "No such command 'nosuch'"),
    "format": (["check", "--format", "xml"], "'table', 'json', 'sql'"),
    "duration": (["check", "--lock-timeout", "soon"], "500ms"),
    "typing error": (["chek"], "Did you mean 'check'? See seqguard --help"),
    "option of psql": (["check", "-h", "db.example.com"], "CONNINFO is an argument: 'host=... dbname=...'"),
    "format of a dry run": (["fix", "{dsn}", "--dry-run", "--format", "json"], "--dry-run prints SQL"),
    "margin": (["fix", "--margin", "-1"], "--margin"),
    "table of check": (["check", "{dsn}", "-t", "nosuchtable"], 'no table matches "nosuchtable"'),
    "table of guard": (["guard", "{dsn}", "nosuchtable"], 'no table matches "nosuchtable"'),
    "table of unguard": (["unguard", "{dsn}", "nosuchtable"], 'no table matches "nosuchtable"'),
    "schema": (["check", "{dsn}", "-n", "nosuchschema"], "nosuchschema"),
    "nothing chosen": (
        ["check", "{dsn}", "-t", "users", "--exclude-table", "users"],
        "all the patterns together",
    ),
    "table left out": (["check", "{dsn}", "--exclude-table", "nosuchtable"], 'no table matches "nosuchtable"'),
    "database of a table": (["check", "{dsn}", "-t", "other.public.users"], "write schema.table"),
    "database for guard": (["guard", "nosuchdb", "users"], "a database is written dbname=nosuchdb"),
    "scheme": (["check", "mysql://localhost/shop"], "postgresql://"),
    "two databases": (["check", "one", "two"], "CONNINFO is one argument"),
    "conninfo in two": (["guard", "host=h", "dbname=d"], "CONNINFO is one argument"),
    "nothing to unguard": (["unguard", "{dsn}"], "--all"),
}


@pytest.mark.parametrize("what", BAD_INPUT)
def test_bad_input_gets_one_line(in_sync: str, what: str) -> None:
    arguments, message = BAD_INPUT[what]
    variables = as_variables(in_sync)
    result = run(*(argument.format(dsn=in_sync) for argument in arguments), **variables)
    assert_one_line(result)
    assert message in result.err


def test_guard_of_a_plain_word_that_is_no_table_gets_one_line(in_sync: str) -> None:
    assert_one_line(run("guard", "nosuchtable", **as_variables(in_sync)))


NOT_FED = {
    "view": "CREATE VIEW it AS SELECT 1 AS id",
    "materialized view": "CREATE MATERIALIZED VIEW it AS SELECT 1 AS id",
    "foreign table": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    " CREATE FOREIGN TABLE it (id int) SERVER s",
    "sequence": "CREATE SEQUENCE it",
    "no column that a sequence feeds": "CREATE TABLE it (id int)",
}


@pytest.mark.parametrize("kind", NOT_FED)
@pytest.mark.parametrize("command", [("check", "-t"), ("guard",)])
def test_a_relation_without_a_fed_column_gets_one_line_that_says_what_it_is(
    db: Connection, dsn: str, kind: str, command: tuple[str, ...]
) -> None:
    db.execute(NOT_FED[kind].encode())
    result = run(command[0], dsn, *command[1:], "it")
    assert_one_line(result)
    assert kind in result.err


def test_require_version_with_a_stub_in_place_of_a_server_older_than_13() -> None:
    stub = SimpleNamespace(info=SimpleNamespace(server_version=120022))
    with pytest.raises(SeqguardError, match="PostgreSQL 12; seqguard needs 13 or newer"):
        pg.require_version(cast("Any", stub))


WITH_PASSWORD = [
    "host=no.such.host.invalid password=xyzzy-plugh",
    "postgresql://me:xyzzy-plugh@no.such.host.invalid/db",
    "password=xyzzy-plugh port=abc",
    "password=xyzzy-plugh sslmode=maybe host=h",
    "password=xyzzy plugh host=h",
    "host=h password='xyzzy plugh",
    "host=h password='xyzzy'plugh'",
    'host=h password=xyzzy "plugh" x',
    "host=h password=xyzzy plugh=1",
    "host=h pwd=xyzzy plugh",
    "postgresql://me:xyzzy%zzplugh@h/db",
    "postgresql://me:xyzzy%00plugh@h/db",
    "postgresql://me:xyzzy@plugh@localhost/db",
    "postgresql://me:xyzzy/plugh@localhost/db",
    "postgresql://me:xyzzy@pl/ugh@localhost/db",
    "postgresql://me:xyzzy-plugh@h:port/db",
    "postgresql://me:xyzzy-plugh@[::1/db",
    "postgresql://me:xyzzy-plugh@[::1]x/db",
    "postgresql://me:xyzzy-plugh",
    "postgresql://me:xyzzy plugh@h/db",
    "postgresql://h/db?password=xyzzy=plugh",
    "postgresql://h/db?password=xyzzy&plugh",
    "postgresql+psycopg://me:xyzzy-plugh@h/db",
    "postgres:/me:xyzzy-plugh@h/db",
    "postgresql:me:xyzzy-plugh@h/db",
    "me:xyzzy-plugh@h/db",
]


def assert_no_password(result: Result) -> None:
    assert_one_line(result)
    assert not re.search("xyzzy|plugh", result.err, re.IGNORECASE)


@pytest.mark.parametrize("conninfo", WITH_PASSWORD)
def test_no_error_shows_a_password(server: Server, conninfo: str) -> None:
    assert_no_password(run("check", conninfo, PGHOST=str(server.folder), PGUSER="postgres"))


@pytest.mark.parametrize("conninfo", [*WITH_PASSWORD[:2], *WITH_PASSWORD[-4:]])
def test_no_error_of_guard_takes_a_password_for_a_table(server: Server, conninfo: str) -> None:
    assert_no_password(run("guard", conninfo, PGHOST=str(server.folder), PGUSER="postgres"))


def test_no_error_shows_the_password_of_a_conninfo_that_the_shell_split() -> None:
    assert_no_password(run("check", "host=h", "password=xyzzy"))
