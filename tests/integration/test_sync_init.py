"""sync init: a starting file from a real PostgreSQL and a real MariaDB, and sync check of what it says."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from console import Result, run
from generated import ROOT
from mariadb import Execute, database, execute, mariadb
from mariadb import run as run_in_mariadb

from seqguard.demo.mariadb import binary
from seqguard.sync.checking.examining import without_secrets
from seqguard.sync.mapping import config

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Connection, Psql

    from seqguard.demo.mariadb import MariaDB

__all__ = ["database", "execute", "mariadb"]

EXAMPLE = ROOT / "examples/legacy-revamp"


def init(mariadb: MariaDB, database: str, dsn: str, *options: str) -> str:
    done: Result = run(
        "sync", "init", "--database", database, "--option-file", mariadb.option_file, *options, dsn
    )
    assert (done.code, done.err) == (0, "")
    return done.out


def test_tables_and_columns_of_the_same_names_need_no_more_than_a_key(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, execute: Execute
) -> None:
    execute("CREATE TABLE users (id int PRIMARY KEY, name varchar(20))")
    db.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
    (table,) = config.parse(init(mariadb, database, dsn)).tables
    assert (table.source, table.target, table.key, table.columns) == ("users", "public.users", ("id",), {})


def test_what_it_prints_is_a_file_that_check_takes(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, execute: Execute, tmp_path: Path
) -> None:
    execute(
        "CREATE TABLE likes (post int, user int, kind enum('Up', 'Down') NOT NULL, PRIMARY KEY (user, post))"
    )
    db.execute("""CREATE TABLE likes (user_id int, "user" int, post int, PRIMARY KEY (post, "user"),
        kind text CHECK (kind IN ('up', 'down')) NOT NULL)""")
    path = tmp_path / "sync.toml"
    path.write_text(init(mariadb, database, dsn))
    checked = run("sync", "check", str(path))
    assert checked.out == f"{path}: 1 table, 0 errors, 0 warnings.\n"
    (table,) = config.load(path).tables
    assert (table.key, table.values) == (("user", "post"), {"kind": {"Up": "up", "Down": "down"}})


def test_a_table_without_a_twin_is_a_comment(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, execute: Execute
) -> None:
    execute("CREATE TABLE users (id int PRIMARY KEY)")
    execute("CREATE TABLE orders (id int PRIMARY KEY)")
    db.execute("CREATE SCHEMA crm CREATE TABLE users (id int PRIMARY KEY)")
    printed = init(mariadb, database, dsn, "-n", "crm")
    assert [table.target for table in config.parse(printed).tables] == ["crm.users"]
    assert "\n# orders\n" in printed


def test_a_column_that_nothing_was_found_for_stops_check(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, execute: Execute, tmp_path: Path
) -> None:
    execute("CREATE TABLE users (id int PRIMARY KEY, avatar blob)")
    db.execute("CREATE TABLE users (id int PRIMARY KEY, born date NOT NULL)")
    path = tmp_path / "sync.toml"
    path.write_text(init(mariadb, database, dsn))
    assert '\n# columns.avatar = "?"\n# born of the target is NOT NULL' in path.read_text()
    assert run("sync", "check", str(path)).code == 1


def test_the_example_is_guessed_but_for_what_only_people_can_know(
    mariadb: MariaDB, database: str, dsn: str, psql: Psql, tmp_path: Path
) -> None:
    """With the guesses taken, and the two columns named whose names tell nothing, the file is the example's."""
    load_example(mariadb, database)
    psql(dsn, f"\\i {EXAMPLE}/databases/postgres/schema.sql")
    guessed = init(mariadb, database, dsn)
    names = {"mobile": "phone_number", "views": "view_count"}
    assert set(re.findall(r'^# columns\.(\w+) = "\?"$', guessed, re.MULTILINE)) == names.keys()
    for source, target in names.items():
        guessed = guessed.replace(f'{source} = "?"', f'{source} = "{target}"')
    path = tmp_path / "sync.toml"
    path.write_text(re.sub(r"^# (columns|values)\.", r"\1.", guessed, flags=re.MULTILINE))
    assert run("sync", "check", str(path)).out == f"{path}: 3 tables, 0 errors, 0 warnings.\n"
    ours, theirs = ({one.source: one for one in config.load(p).tables} for p in (path, EXAMPLE / "sync.toml"))
    for name, table in theirs.items():
        assert (ours[name].columns, ours[name].values) == (table.columns, table.values)
        assert (ours[name].constants, ours[name].ignore) == (table.constants, table.ignore)


def load_example(mariadb: MariaDB, database: str) -> None:
    client = [binary("mariadb"), f"--defaults-file={mariadb.option_file}", database]
    schema = (EXAMPLE / "databases/mysql/schema.sql").read_bytes()
    subprocess.run(client, input=schema, check=True)


def test_names_that_need_quotes_come_back_as_they_were(
    mariadb: MariaDB, database: str, dsn: str, db: Connection
) -> None:
    run_in_mariadb(mariadb, database, 'CREATE TABLE `a."b"` (`the "id"` int PRIMARY KEY)')
    db.execute('CREATE TABLE "a.""b""" ("the ""id""" int PRIMARY KEY)')
    (table,) = config.parse(init(mariadb, database, dsn)).tables
    assert (table.source, table.target_table, table.key) == ('a."b"', 'a."b"', ('the "id"',))


def test_a_password_does_not_get_into_the_file() -> None:
    assert without_secrets("postgresql://me:hunter2@db/legacy?sslpassword=x") == "user=me dbname=legacy host=db"


def test_a_column_that_the_target_generates_is_left_out(
    mariadb: MariaDB, database: str, dsn: str, db: Connection, execute: Execute
) -> None:
    execute("CREATE TABLE users (id int PRIMARY KEY, twice int)")
    db.execute("CREATE TABLE users (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)")
    (table,) = config.parse(init(mariadb, database, dsn)).tables
    assert table.leave_out == ("twice",)


def test_a_database_that_is_not_there_is_an_error(mariadb: MariaDB, dsn: str) -> None:
    done = run("sync", "init", "--database", "nowhere", "--option-file", mariadb.option_file, dsn)
    assert (done.code, done.out, "no table in database nowhere" in done.err) == (2, "", True)
