"""The SQL file: for psql users with no Python, and the script of a PostgreSQL extension."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Connect, Connection, one, rows
from generated import GENERATED, ROOT

import seqguard
from seqguard.demo.server import embedded_binaries
from seqguard.guarding import install, uninstall
from seqguard.script import sql_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.demo.server import Server

TABLES = """
    CREATE TABLE users (id serial PRIMARY KEY, name text);
    CREATE TABLE posts (id int GENERATED ALWAYS AS IDENTITY, name text);
    CREATE SCHEMA shop; CREATE TABLE shop.users (id bigserial);
    INSERT INTO users VALUES (16)"""


def psql(conninfo: str, script: str) -> tuple[str, str]:
    """Run a script in psql, stopping at the first error; what it prints on stdout and stderr."""
    command = [str(embedded_binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def guard_states(db: Connection) -> dict[str, str]:
    """The state of the guard on each table."""
    return {guard.table: guard.state for guard in seqguard.guards(db)}


def next_id(db: Connection) -> int:
    """The id that an insert into users without one gets."""
    return int(one(db, "INSERT INTO users DEFAULT VALUES RETURNING id"))


ALL_INSTALLED = {"public.posts": "installed", "public.users": "installed", "shop.users": "installed"}


@pytest.fixture
def tables(db: Connection) -> Connection:
    """A database with three tables, one of them behind."""
    db.execute(TABLES)
    return db


def test_the_script_guards_every_table_and_repairs_what_is_behind(tables: Connection) -> None:
    psql(tables.info.dsn, sql_script())
    assert guard_states(tables) == ALL_INSTALLED
    assert next_id(tables) == 17
    tables.execute("INSERT INTO users VALUES (100)")
    assert next_id(tables) == 101


def test_the_script_shows_the_guard_on_each_column(tables: Connection) -> None:
    tables.execute("CREATE TABLE odd (id int DEFAULT nextval('users_id_seq') + 1)")
    said, _ = psql(tables.info.dsn, sql_script())
    assert [line.strip() for line in said.splitlines() if "installed" in line or "judge" in line] == [
        "public.odd   | id     | public.users_id_seq | cannot judge the default (nextval('public.users_id_seq'::regclass) + 1)",
        "public.posts | id     | public.posts_id_seq | installed",
        "public.users | id     | public.users_id_seq | installed",
        "shop.users   | id     | shop.users_id_seq   | installed",
    ]


def test_the_script_can_be_run_again(tables: Connection) -> None:
    psql(tables.info.dsn, sql_script())
    triggers = "SELECT oid, xmin::text FROM pg_trigger ORDER BY oid"
    before = rows(tables, triggers)
    assert psql(tables.info.dsn, sql_script())[1] == ""
    assert rows(tables, triggers) == before


def test_the_script_guards_tables_that_are_new_since_the_last_run(tables: Connection) -> None:
    psql(tables.info.dsn, sql_script())
    tables.execute("CREATE TABLE fresh (id serial)")
    psql(tables.info.dsn, sql_script())
    assert guard_states(tables) == ALL_INSTALLED | {"public.fresh": "installed"}


def test_two_runs_at_once_both_succeed(tables: Connection) -> None:
    tables.execute("".join(f"CREATE TABLE t{number} (id serial);" for number in range(20)))
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: psql(tables.info.dsn, sql_script())[1], range(2)))
    assert said == ["", ""]
    assert set(guard_states(tables).values()) == {"installed"}
    assert len(rows(tables, "SELECT FROM pg_trigger WHERE tgname LIKE 'sync%'")) == 23


def test_the_script_runs_while_a_writer_keeps_a_table_locked(tables: Connection, connect: Connect) -> None:
    writer = connect()
    writer.execute("BEGIN; INSERT INTO posts DEFAULT VALUES")
    _, said = psql(tables.info.dsn, sql_script())
    assert said == "WARNING:  seqguard: table public.posts is not guarded: locked\n"
    assert guard_states(tables) == ALL_INSTALLED | {"public.posts": "missing"}
    writer.execute("COMMIT")
    psql(tables.info.dsn, sql_script())
    assert guard_states(tables) == ALL_INSTALLED


def test_the_script_runs_as_a_database_owner_who_is_no_superuser(tables: Connection, role: str) -> None:
    name = tables.info.dbname
    tables.execute(f"ALTER DATABASE {name} OWNER TO {role}; GRANT ALL ON SCHEMA public, shop TO {role}")
    for table in ("users", "posts", "shop.users"):
        tables.execute(f"ALTER TABLE {table} OWNER TO {role}")
    psql(f"{tables.info.dsn} user={role}", sql_script())
    assert guard_states(tables) == ALL_INSTALLED
    assert one(tables, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'seqguard'") == role
    tables.execute(f"ALTER DATABASE {name} OWNER TO postgres")


def test_the_script_installs_what_guard_installs(tables: Connection) -> None:
    psql(tables.info.dsn, sql_script())
    assert install(tables) is False


def test_the_script_leaves_the_search_path_of_its_session(tables: Connection) -> None:
    said, _ = psql(f"{tables.info.dsn} options='-c search_path=shop'", sql_script() + "\nSHOW search_path;")
    assert said.split()[-4:-2] == ["-------------", "shop"]


def test_check_and_fix_are_there_for_psql_users(tables: Connection) -> None:
    psql(tables.info.dsn, sql_script())
    tables.execute("ALTER TABLE users DISABLE TRIGGER USER; INSERT INTO users VALUES (50)")
    assert rows(tables, "SELECT sequence::text, status FROM seqguard.check() WHERE status <> 'ok'") == [
        ("users_id_seq", "behind")
    ]
    assert rows(tables, "SELECT sequence::text, status, next_value FROM seqguard.fix()") == [
        ("users_id_seq", "ok", 51)
    ]


# the extension


@pytest.fixture(scope="session")
def extension_path(server: Server) -> str:
    """Where the server finds the extension's files as they are in the repository."""
    folder = Path(server.folder) / "share" / "extension"
    folder.mkdir(parents=True)
    for path in GENERATED:
        if path.startswith("sql/seqguard"):
            (folder / Path(path).name).write_bytes((ROOT / path).read_bytes())
    return f"$system:{folder.parent}"


@pytest.fixture
def extended(tables: Connection, connect: Connect, role: str, extension_path: str) -> Iterator[Connection]:
    """An ordinary role's connection, after it has created the extension."""
    if tables.info.server_version < 180000:
        pytest.skip("extension_control_path came with PostgreSQL 18")
    name = tables.info.dbname
    tables.execute(f"ALTER DATABASE {name} SET extension_control_path = '{extension_path}'")
    tables.execute(f"GRANT CREATE ON DATABASE {name} TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
    user = connect(user=role)
    user.execute("CREATE TABLE mine (id serial); INSERT INTO mine VALUES (16)")
    user.execute("CREATE EXTENSION seqguard")
    yield user
    user.execute("DROP EXTENSION IF EXISTS seqguard CASCADE")


def test_the_extension_is_created_by_an_ordinary_role(extended: Connection) -> None:
    assert (
        one(extended, "SELECT extversion FROM pg_extension WHERE extname = 'seqguard'") == seqguard.__version__
    )
    assert one(extended, "SELECT seqguard.version()").startswith(seqguard.__version__)


def test_creating_the_extension_guards_nothing_by_itself(extended: Connection) -> None:
    assert set(guard_states(extended).values()) == {"missing"}


def test_guard_all_of_the_extension_guards_and_repairs(extended: Connection) -> None:
    extended.execute("CALL seqguard.guard_all()")
    assert guard_states(extended)["public.mine"] == "installed"
    assert one(extended, "INSERT INTO mine DEFAULT VALUES RETURNING id") == 17
    extended.execute("INSERT INTO mine VALUES (100)")
    assert one(extended, "INSERT INTO mine DEFAULT VALUES RETURNING id") == 101


def test_guard_uses_the_extension_as_it_is(extended: Connection) -> None:
    assert install(extended) is False
    assert [guard.state for guard in seqguard.guard(extended, "mine")] == ["installed"]


def test_nothing_of_the_extension_is_for_everybody(extended: Connection) -> None:
    functions = "FROM pg_proc WHERE pronamespace = 'seqguard'::regnamespace"
    assert one(extended, f"SELECT count(*) {functions}") > 10
    assert rows(extended, f"SELECT proname {functions} AND (proacl IS NULL OR proacl::text ~ '[{{,]=')") == []


def test_unguard_all_drops_the_extension(extended: Connection) -> None:
    seqguard.guard(extended, "mine")
    uninstall(extended)
    assert one(extended, "SELECT to_regnamespace('seqguard')") is None
    assert rows(extended, "SELECT FROM pg_extension WHERE extname = 'seqguard'") == []
    assert rows(extended, "SELECT FROM pg_trigger WHERE tgname LIKE 'sync%'") == []
