"""What goes to stdout, to stderr and to a terminal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import Connection, Psql, one
from console import run, run_on_terminal, started
from tables import last_value

if TYPE_CHECKING:
    from seqguard.demo.server import Server

# formats


def test_check_as_json_has_the_promised_keys(behind: str) -> None:
    report = json.loads(run("check", behind, "--format", "json").out)
    assert set(report) == {"server_version", "database", "summary", "sequences"}
    assert {frozenset(sequence) for sequence in report["sequences"]} == {
        frozenset(
            [
                "sequence",
                "status",
                "next_value",
                "furthest",
                "last_value",
                "is_called",
                "increment",
                "target",
                "guarded",
                "columns",
                "notes",
            ]
        )
    }
    assert {frozenset(column) for sequence in report["sequences"] for column in sequence["columns"]} == {
        frozenset(["table", "column", "kind", "furthest", "indexed"])
    }


def test_check_as_json_tells_what_is_behind(behind: str) -> None:
    report = json.loads(run("check", behind, "-t", "users", "--format", "json").out)
    [sequence] = report["sequences"]
    found = {name: sequence[name] for name in ("sequence", "status", "furthest", "target", "guarded")}
    assert found == {
        "sequence": "public.users_id_seq", "status": "behind", "furthest": 16, "target": 16, "guarded": False,
    }  # fmt: skip


def test_fix_as_json_tells_what_was_moved(behind: str) -> None:
    report = json.loads(run("fix", behind, "-t", "users", "--format", "json").out)
    assert [(s["status"], s["next_value"], s["repair"]["moved_to"]) for s in report["sequences"]] == [
        ("ok", 17, 16)
    ]


@pytest.mark.parametrize("options", [(), ("--list",)])
def test_guard_as_json_has_one_entry_a_column(behind: str, options: tuple[str, ...]) -> None:
    listed = json.loads(run("guard", behind, "--format", "json", *options).out)
    assert [guard["table"] for guard in listed["guards"]] == ["public.posts", "public.users"]


def test_unguard_as_json_tells_what_was_removed(behind: str) -> None:
    run("guard", behind)
    listed = json.loads(run("unguard", behind, "--all", "--format", "json").out)
    assert [guard["name"] for guard in listed["guards"]] == ["sync_posts_sequence", "sync_users_sequence"]


@pytest.mark.parametrize("command", [("check", "--format", "sql"), ("fix", "--dry-run")])
def test_the_repairs_as_sql_move_nothing_by_themselves(
    behind: str, db: Connection, command: tuple[str, ...]
) -> None:
    run(*command, behind)
    assert last_value(db) == 1


@pytest.mark.parametrize("command", [("check", "--format", "sql"), ("fix", "--dry-run")])
def test_psql_carries_out_the_repairs_as_sql(
    behind: str, db: Connection, psql: Psql, command: tuple[str, ...]
) -> None:
    psql(behind, run(*command, behind).out)
    assert last_value(db) == 16


def test_the_script_guards_when_psql_runs_it(behind: str, db: Connection, psql: Psql) -> None:
    psql(behind, run("script").out)
    db.execute("INSERT INTO users VALUES (100)")
    assert one(db, "INSERT INTO users DEFAULT VALUES RETURNING id") == 101


@pytest.mark.parametrize(
    "command", [("check",), ("fix",), ("guard",), ("guard", "--list"), ("unguard", "--all")]
)
def test_a_result_goes_to_stdout_and_nothing_to_stderr(behind: str, command: tuple[str, ...]) -> None:
    result = run(command[0], behind, *command[1:])
    assert (bool(result.out), result.err) == (True, "")


def test_a_name_cannot_send_escape_sequences_to_the_terminal(db: Connection, dsn: str) -> None:
    db.execute('CREATE TABLE "a\x1b[2Jb" (id serial)')
    assert "\x1b[2J" not in run_on_terminal("check", dsn, "--all").err


def test_an_error_cannot_send_escape_sequences_to_the_terminal(in_sync: str) -> None:
    assert "\x1b" not in run("check", in_sync, "-t", "a\x1b[2Jb").err


def test_a_table_missed_by_its_capitals_is_told_in_double_quotes(db: Connection, dsn: str) -> None:
    db.execute('CREATE TABLE "Users" (id serial)')
    assert """write '"public"."Users"'""" in run("check", dsn, "-t", "public.Users").err


def test_sql_is_utf8_whatever_the_locale(db: Connection, dsn: str, psql: Psql) -> None:
    db.execute('CREATE TABLE "\u0436" (id serial); INSERT INTO "\u0436" VALUES (16)')
    psql(dsn, "SET client_encoding = 'LATIN1';\n" + run("fix", dsn, "--dry-run", PYTHONIOENCODING="latin1").out)
    assert one(db, 'SELECT last_value FROM "\u0436_id_seq"') == 16


# colour and progress


def test_a_terminal_gets_colour(behind: str) -> None:
    assert "\x1b[31mbehind\x1b[0m" in run_on_terminal("check", behind).err


def test_a_terminal_gets_no_colour_with_no_color(behind: str) -> None:
    shown = run_on_terminal("check", behind, NO_COLOR="1").err
    assert "behind" in shown
    assert "\x1b" not in shown


def test_a_pipe_gets_no_colour(behind: str) -> None:
    assert "\x1b" not in run("check", behind).out


@pytest.fixture(scope="module")
def many(server: Server) -> str:
    """A database with 600 tables, to be cloned."""
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE many")
    with psycopg.connect(server.conninfo("many")) as connection:
        connection.execute("".join(f"CREATE TABLE t{number} (id serial);" for number in range(600)).encode())
    return server.conninfo("many")


def test_a_terminal_gets_a_progress_bar_for_many_tables(many: str) -> None:
    shown = run_on_terminal("check", many).err
    assert re.search(r"reading.*\[#+\] +100%", shown)


def test_the_progress_bar_stays_out_of_the_data(many: str) -> None:
    result = run_on_terminal("check", many, "--format", "json", only_stderr=True)
    assert "reading" in result.err
    assert json.loads(result.out)["summary"]["ok"] == 600


def test_a_terminal_gets_no_progress_bar_for_few_tables(in_sync: str) -> None:
    assert "reading" not in run_on_terminal("check", in_sync).err


def test_a_pipe_gets_no_progress_bar(many: str) -> None:
    assert run("check", many).err == ""


def test_a_reader_that_goes_away_gets_no_traceback(many: str) -> None:
    with started("check", many, "--all") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
