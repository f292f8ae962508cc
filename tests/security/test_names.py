"""Names hold anything, and are never taken for SQL: thousands of them in check, fix, dry run, guard and script."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from conftest import rows
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

import seqguard
from seqguard.render.as_sql import repairs
from seqguard.script import installation, sql_script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conftest import Connection, Psql

TABLES = 100
EXAMPLES = int(os.environ.get("SEQGUARD_TEST_NAMES", "10000")) // (4 * TABLES)
"""Four names a table: schema, table, column, sequence."""

HOSTILE = (
    '"', '""', "'", "''", "\\", "\\'", "$$", "$", "$function$", "$seqguard$", "$seqguard1$", "$do$", "$1", "$body$",
    ";", "--", "/*", "*/", "\n", "\r", "\t", " ", ".", ",", "(", ")", "||", "::regclass", "\n\\echo pwned\n",
    "\\! echo pwned", "\\gexec", "\\q\n", ":x", ":'x'", ':"x"', "%", "%s", "%I", "%L", "%1$L", "%%", "{", "}", "{}",
    "{0}", "{name}", "{version}", "NULL", "null", "None", "DEFAULT", "NEW", "id", "sequence", "*", "?", "[", "é",
    "ß", "😀", "\u202e", "\x1b[2J", "\x7f", "E'", "U&'", "0", "-1", "'); DROP TABLE public.canary; --",
    '"; DROP TABLE public.canary; --', "$seqguard$; DROP TABLE public.canary; --", "COMMIT;", "public.canary",
)  # fmt: skip


def fits(name: str) -> bool:
    """Whether PostgreSQL takes it for a name of its own right."""
    return 0 < len(name.encode()) <= 55 and not name.startswith("pg_") and not name.startswith("seqguard")


names = st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4).map("".join).filter(fits)


@dataclass(frozen=True)
class Fed:
    """A table of a hostile name, its column and the sequence that feeds it."""

    schema: str
    table: str
    column: str
    sequence: str

    def write(self, statement: str) -> sql.Composed:
        """A statement with {t}, {c} and {s} filled in, {n} being the sequence as a literal."""
        s = sql.Identifier(self.schema, self.sequence)
        return sql.SQL(statement).format(
            t=sql.Identifier(self.schema, self.table),
            c=sql.Identifier(self.column),
            s=s,
            n=sql.Literal(s.as_string()),
        )


@st.composite
def feeds(draw: st.DrawFn) -> list[Fed]:
    """A hundred tables in ten schemas."""
    schemas = draw(st.lists(names, min_size=10, max_size=10, unique=True))
    drawn = draw(st.lists(names, min_size=3 * TABLES, max_size=3 * TABLES))
    return [
        # a number makes it unique, and an even one makes the next name open with what is hostile
        Fed(schemas[i % 10], f"{drawn[3 * i]}{i}", drawn[3 * i + 1], f"{i}{drawn[3 * i + 2]}")
        for i in range(TABLES)
    ]


def everywhere(db: Connection, fed: Sequence[Fed], *statements: str) -> None:
    """Run statements for every table, in one go."""
    db.execute(sql.SQL(";").join(f.write(statement) for f in fed for statement in statements))


@contextmanager
def created(db: Connection, fed: Sequence[Fed]) -> Iterator[None]:
    """The schemas, tables and sequences, for a while."""
    schemas = [sql.Identifier(name) for name in sorted({f.schema for f in fed})]
    db.execute(sql.SQL(";").join(sql.SQL("CREATE SCHEMA {}").format(name) for name in schemas))
    everywhere(
        db, fed, "CREATE SEQUENCE {s}", "CREATE TABLE {t} ({c} int DEFAULT nextval({n}), x int)",
    )  # fmt: skip
    try:
        yield
    finally:
        db.execute(sql.SQL(";").join(sql.SQL("DROP SCHEMA {} CASCADE").format(name) for name in schemas))


def statuses(db: Connection) -> list[str]:
    """The verdicts of check."""
    return [report.status for report in seqguard.check(db).sequences]


def assert_no_echo(output: str) -> None:
    """No \\echo in a name was obeyed. Tables that show the name begin their lines with a space."""
    assert [line for line in output.splitlines() if line.startswith("pwned")] == []


def dry_run(db: Connection, psql: Psql) -> None:
    """Repair with the SQL of the dry run."""
    assert_no_echo(psql(db.info.dsn, repairs(seqguard.check(db))))
    assert statuses(db) == ["ok"] * TABLES


def fix(db: Connection, _psql: Psql) -> None:
    """Repair."""
    assert seqguard.fix(db).in_sync


def guard(db: Connection, _psql: Psql) -> None:
    """Guard and repair."""
    assert [found.state for found in seqguard.guard(db)] == ["installed"] * TABLES


def script(db: Connection, psql: Psql) -> None:
    """Guard and repair with what script prints."""
    assert_no_echo(psql(db.info.dsn, sql_script()))


def assert_guarded(db: Connection, fed: Sequence[Fed]) -> None:
    """Explicit ids move every sequence, by steps and far."""
    everywhere(db, fed, "INSERT INTO {t} ({c}) VALUES (20), (400000)", "INSERT INTO {t} (x) VALUES (1)")
    furthest = sql.SQL(" UNION ALL ").join(f.write("SELECT max({c}) FROM {t}") for f in fed)
    assert db.execute(furthest).fetchall() == [(400001,)] * TABLES
    assert rows(db, "SELECT DISTINCT status FROM seqguard.check()") == [("ok",)]


COMMANDS = (dry_run, fix, guard, script)


@pytest.mark.timeout(600)
def test_thousands_of_names(db: Connection, psql: Psql) -> None:
    db.execute("SET client_min_messages = error; CREATE TABLE public.canary AS SELECT 'alive' AS x")
    db.execute(installation().encode())
    runs: list[int] = []

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(feeds())
    def every_command(fed: list[Fed]) -> None:
        command = COMMANDS[len(runs) % len(COMMANDS)]
        runs.append(4 * len(fed))
        with created(db, fed):
            everywhere(db, fed, "INSERT INTO {t} ({c}) VALUES (10)")
            assert statuses(db) == ["behind"] * TABLES
            command(db, psql)
            if command in {guard, script}:
                assert_guarded(db, fed)
        assert rows(db, "SELECT x FROM public.canary") == [("alive",)]

    every_command()
    assert sum(runs) >= 4 * TABLES * EXAMPLES


def test_owners_have_hostile_names_too(db: Connection) -> None:
    roles = [sql.Identifier(f"{name}{number}") for number, name in enumerate(HOSTILE)]
    tables = [sql.Identifier(f"t{number}") for number in range(len(roles))]
    sequences = [sql.Identifier(f"t{number}_id_seq") for number in range(len(roles))]

    def each(statement: str) -> None:
        parts = (
            sql.SQL(statement).format(r=r, t=t, s=s) for r, t, s in zip(roles, tables, sequences, strict=True)
        )
        db.execute(sql.SQL(";").join(parts))

    db.execute("CREATE TABLE public.canary AS SELECT 'alive' AS x")
    each("CREATE ROLE {r}; CREATE TABLE {t} (id serial); ALTER TABLE {t} OWNER TO {r}")
    try:
        each("REVOKE ALL ON SEQUENCE {s} FROM {r}")
        refused = [guard.problem or "" for guard in seqguard.guard(db)]
        assert ["may not move sequence" in problem for problem in refused] == [True] * len(roles)
        each("GRANT UPDATE ON SEQUENCE {s} TO {r}")
        assert {guard.state for guard in seqguard.guard(db)} == {"installed"}
        assert rows(db, "SELECT x FROM public.canary") == [("alive",)]
    finally:
        each("DROP OWNED BY {r} CASCADE; DROP ROLE {r}")
