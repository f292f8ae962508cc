"""Counts, by triggers on both sides: what happened to each row, and what the service made of it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from platforms import World

TABLES = ("users", "posts", "likes")

_TARGET = """
CREATE TABLE audit (part text, id integer);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.audit VALUES (TG_ARGV[0], NEW.id);
    RETURN NULL;
END $$;
"""


def install(world: World) -> None:
    """From here on, every row that is inserted or updated is counted, on both sides."""
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        connection.execute(_TARGET.encode())
        for table in TABLES:
            connection.execute(
                f"CREATE TRIGGER audit AFTER INSERT OR UPDATE ON legacy_{table}"
                f" FOR EACH ROW EXECUTE FUNCTION audit('{table}')".encode()
            )
    world.change("CREATE TABLE audit (number integer AUTO_INCREMENT PRIMARY KEY, part varchar(10), id integer)")
    for table in TABLES:
        for event in ("INSERT", "UPDATE"):
            world.change(
                f"CREATE TRIGGER audit_{table}_{event} AFTER {event} ON revamp_{table}"
                f" FOR EACH ROW INSERT INTO audit (part, id) VALUES ('{table}', NEW.id)"
            )


def assert_nothing_twice(world: World) -> None:
    """No row was written more often than it was changed. Less often it may be: a batch writes its net."""
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        written = Counter(connection.execute("SELECT part, id FROM audit").fetchall())
    with closing(world.source()) as source, source.cursor() as cursor:
        cursor.execute("SELECT part, id FROM audit")
        changed = Counter(cursor.fetchall())
    assert written
    too_often = written - changed
    assert not too_often, f"written too often: {too_often.most_common(3)}"
