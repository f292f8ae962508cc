"""The contract of the command line, with the real console script on a real server."""

from __future__ import annotations

import json
import re
import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import click
import psycopg
import pytest
from conftest import Connect, Connection, Psql, one
from console import Result, run, run_on_terminal, started

from seqguard import SeqguardError, pg
from seqguard.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seqguard.demo.server import Server

COMMANDS = ("check", "fix", "guard", "unguard", "script", "demo")
ON_DATABASE = ("check", "fix", "guard", "unguard")


@pytest.fixture
def behind(db: Connection, dsn: str) -> str:
    """A database where public.users is behind and public.posts is not."""
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    db.execute("CREATE TABLE posts (id serial PRIMARY KEY)")
    db.execute("INSERT INTO users SELECT generate_series(1, 16)")
    return dsn


@pytest.fixture
def in_sync(db: Connection, dsn: str) -> str:
    """A database where public.users is as it should be."""
    db.execute("CREATE TABLE users (id serial PRIMARY KEY)")
    db.execute("INSERT INTO users DEFAULT VALUES")
    return dsn


@pytest.fixture
def exhausted(db: Connection, dsn: str) -> str:
    """A database with a row beyond the limit of its sequence."""
    db.execute("CREATE SEQUENCE s MAXVALUE 5")
    db.execute("CREATE TABLE users (id int PRIMARY KEY DEFAULT nextval('s'))")
    db.execute("INSERT INTO users VALUES (9)")
    return dsn


@pytest.fixture
def locked(behind: str, connect: Connect) -> Iterator[str]:
    """The database `behind`, with users locked by another session."""
    other = connect()
    with other.transaction():
        other.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        yield behind


def last_value(db: Connection) -> int:
    return int(one(db, "SELECT last_value FROM users_id_seq"))


# -- exit codes ---------------------------------------------------------------------------------


def test_check_exits_0_when_all_is_in_sync(in_sync: str) -> None:
    assert run("check", in_sync).code == 0


def test_check_exits_1_when_a_sequence_is_behind(behind: str) -> None:
    assert run("check", behind).code == 1


def test_check_exits_1_when_a_table_cannot_be_read(locked: str) -> None:
    assert run("check", locked, "-t", "users", "--lock-timeout", "10ms").code == 1


def test_fix_exits_0_when_it_has_moved_what_was_behind(behind: str) -> None:
    assert run("fix", behind).code == 0


def test_fix_exits_0_when_there_is_nothing_to_do(in_sync: str) -> None:
    assert run("fix", in_sync).code == 0


def test_fix_exits_1_when_something_is_left(exhausted: str) -> None:
    assert run("fix", exhausted).code == 1


def test_fix_dry_run_exits_1_when_there_is_something_to_do(behind: str) -> None:
    assert run("fix", behind, "--dry-run").code == 1


def test_guard_exits_0_when_every_column_is_guarded(behind: str) -> None:
    assert run("guard", behind).code == 0


def test_guard_exits_1_when_a_table_stays_locked(locked: str) -> None:
    assert run("guard", locked, "posts", "users", "--lock-timeout", "10ms").code == 1


def test_guard_list_exits_1_when_a_guard_is_missing(in_sync: str) -> None:
    assert run("guard", in_sync, "--list").code == 1


def test_guard_list_exits_0_when_every_guard_is_there(in_sync: str) -> None:
    run("guard", in_sync)
    assert run("guard", in_sync, "--list").code == 0


def test_unguard_exits_0_when_the_guards_are_gone(in_sync: str) -> None:
    run("guard", in_sync)
    assert run("unguard", in_sync, "users").code == 0


def test_unguard_exits_1_when_a_table_stays_locked(behind: str, connect: Connect) -> None:
    run("guard", behind)
    with connect() as other, other.transaction():
        other.execute("LOCK TABLE users")
        assert run("unguard", behind, "users", "--lock-timeout", "10ms").code == 1


def test_unguard_exits_2_when_it_is_not_told_what(dsn: str) -> None:
    assert run("unguard", dsn).code == 2


def test_script_exits_0() -> None:
    assert run("script").code == 0


@pytest.mark.parametrize("command", ON_DATABASE)
def test_a_command_exits_2_when_it_cannot_connect(command: str) -> None:
    assert run(command, "host=/nonexistent", *(["--all"] if command == "unguard" else [])).code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exits_2_on_an_option_that_it_does_not_have(command: str) -> None:
    assert run(command, "--nonsense").code == 2


def test_fix_exits_2_on_a_read_only_server(behind: str) -> None:
    result = run("fix", behind, PGOPTIONS="-c default_transaction_read_only=on")
    assert (result.code, result.err.count("\n")) == (2, 1)


def test_check_works_on_a_read_only_server(behind: str) -> None:
    assert run("check", behind, PGOPTIONS="-c default_transaction_read_only=on").code == 1


def test_guard_exits_2_for_a_role_that_may_not_create_its_schema(behind: str, role: str) -> None:
    result = run("guard", f"{behind} user={role}")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "GRANT CREATE ON DATABASE" in result.err


# -- formats ------------------------------------------------------------------------------------


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


# -- colour and progress ------------------------------------------------------------------------


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


# -- how to connect -----------------------------------------------------------------------------


def as_variables(dsn: str) -> dict[str, str]:
    names = {"host": "PGHOST", "dbname": "PGDATABASE", "user": "PGUSER"}
    return {names[name]: value for name, value in (part.split("=") for part in dsn.split())}


@pytest.mark.parametrize("command", [("check",), ("fix", "--dry-run"), ("guard", "--list")])
def test_libpqs_variables_say_where(behind: str, command: tuple[str, ...]) -> None:
    assert "users_id_seq" in run(*command, **as_variables(behind)).out


def test_a_service_file_says_where(behind: str, tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[here]\n" + behind.replace(" ", "\n"))
    assert run("check", "service=here", PGSERVICEFILE=str(services)).code == 1


def test_a_uri_says_where(behind: str) -> None:
    parts = dict(part.split("=") for part in behind.split())
    assert run("check", f"postgresql:///{parts['dbname']}?host={parts['host']}&user={parts['user']}").code == 1


@pytest.mark.parametrize("command", ["check", "fix"])
def test_a_plain_word_is_a_database(behind: str, command: str) -> None:
    variables = as_variables(behind)
    database = variables.pop("PGDATABASE")
    result = run(command, database, "--format", "json", **variables)
    assert json.loads(result.out)["database"] == database


def test_a_plain_word_is_a_table_for_guard(behind: str) -> None:
    guards = json.loads(run("guard", "users", "--format", "json", **as_variables(behind)).out)["guards"]
    assert [guard["table"] for guard in guards] == ["public.users"]


def test_a_session_is_named_seqguard(db: Connection, locked: str) -> None:
    with started("check", locked, "--lock-timeout", "0") as process:
        wait_until(lambda: waiting_for_a_lock(db))
        waiting = "SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        assert one(db, f"{waiting} AND datname = current_database()") == "seqguard"
        process.terminate()


# -- options from the environment ---------------------------------------------------------------


def test_an_option_can_come_from_the_environment(behind: str) -> None:
    assert json.loads(run("check", behind, SEQGUARD_CHECK_FORMAT="json").out)["summary"]["behind"] == 1


def test_a_flag_can_come_from_the_environment(behind: str, db: Connection) -> None:
    run("fix", behind, SEQGUARD_FIX_DRY_RUN="1")
    assert last_value(db) == 1


def test_the_command_line_overrides_the_environment(behind: str) -> None:
    assert run("check", behind, "--format", "table", SEQGUARD_CHECK_FORMAT="json").out.startswith("sequence ")


def test_several_patterns_come_from_one_variable(behind: str, db: Connection) -> None:
    db.execute('CREATE TABLE "Two Words" (id serial)')
    result = run("check", behind, "--format", "json", SEQGUARD_CHECK_TABLE='posts "Two Words"')
    assert [s["sequence"] for s in json.loads(result.out)["sequences"]] == [
        'public."Two Words_id_seq"',
        "public.posts_id_seq",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_variable_of_every_option(command: str) -> None:
    options = [option for option in cli.commands[command].params if isinstance(option, click.Option)]
    longest = [max(option.opts, key=len).lstrip("-") for option in options]
    wanted = {f"SEQGUARD_{command}_{name}".upper().replace("-", "_") for name in longest}
    assert set(re.findall(r"SEQGUARD_\w+", run(command, "--help").out)) == wanted


def test_a_variable_that_sounds_like_the_version_is_no_option(in_sync: str) -> None:
    assert run("check", in_sync, SEQGUARD_VERSION="0.1").code == 0


# -- bad input ----------------------------------------------------------------------------------


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


# -- signals ------------------------------------------------------------------------------------


def waiting_for_a_lock(db: Connection) -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'seqguard' AND wait_event_type = 'Lock'"
    )
    return bool(one(db, query))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("command", ["check", "fix", "guard"])
def test_a_signal_ends_the_command_and_its_statement_on_the_server(
    locked: str, db: Connection, command: str, name: str
) -> None:
    number = getattr(signal, name)
    with started(command, locked, "--lock-timeout", "0", "--statement-timeout", "0") as process:
        wait_until(lambda: waiting_for_a_lock(db))
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, "Traceback" in err) == (128 + number, "", False)
    wait_until(lambda: not waiting_for_a_lock(db))


def test_a_reader_that_goes_away_gets_no_traceback(many: str) -> None:
    with started("check", many, "--all") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
