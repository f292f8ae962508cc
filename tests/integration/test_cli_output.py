"""What goes to stdout, to stderr and to a terminal."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import Connection, Psql, one
from console import run, run_on_terminal, started
from tables import last_value

from seqguard.cli.common import Progress

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

# far longer than progress takes to be shown
LONG = "3s"


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


def test_work_that_takes_over_a_second_is_shown_on_a_terminal(locked: str) -> None:
    shown = run_on_terminal("check", locked, "--lock-timeout", LONG).err
    assert re.search(r"\rreading  \[[#-]{30}\] 0 of \d+  \d+ s", shown)


def test_what_is_read_on_its_own_is_named(locked: str) -> None:
    assert "s  public.users.id" in run_on_terminal("check", locked, "--lock-timeout", LONG).err


def test_the_progress_is_wiped_before_the_result(locked: str) -> None:
    shown = run_on_terminal("check", locked, "--lock-timeout", LONG).err
    assert re.search(r"\r +\rsequence +feeds", shown)


def test_progress_stays_out_of_the_data(locked: str) -> None:
    result = run_on_terminal("check", locked, "--lock-timeout", LONG, "--format", "json", only_stderr=True)
    assert "reading" in result.err
    assert json.loads(result.out)["summary"]["unreadable"] == 1


def test_a_fix_that_takes_long_names_what_it_moves(db: Connection, behind: str) -> None:
    db.execute("ALTER SEQUENCE users_id_seq MAXVALUE 100000000; INSERT INTO users VALUES (5000000)")
    with psycopg.connect(behind) as holder:
        holder.execute("SELECT nextval('users_id_seq')")
        shown = run_on_terminal("fix", behind, "--lock-timeout", "200ms", "-t", "users").err
    assert re.search(r"\rmoving  \[-{30}\] 0 of 1  \d+ s  public.users_id_seq", shown)


def test_a_terminal_gets_no_progress_of_quick_work(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr(Progress, "NOTICEABLE", 3600.0)
    with Progress("reading") as progress:
        progress.expect(1)
        progress.advance(1)
    assert not shown.getvalue()


def test_a_pipe_gets_no_progress(locked: str) -> None:
    assert run("check", locked, "--lock-timeout", LONG).err == ""


def test_a_reader_that_goes_away_gets_no_traceback(many: str) -> None:
    with started("check", many, "--all") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
