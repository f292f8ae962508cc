"""Guarded tables under mixed writers: no ordinary insert fails, and no sequence goes back."""

from __future__ import annotations

import pytest
from conftest import Connection, one
from writers import EXPLICIT, ORDINARY, TABLE, Run, rows_in

import seqguard

RECIPE = """
    CREATE FUNCTION sync() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM setval('t_id_seq', (SELECT max(id) FROM t)); RETURN NULL; END$$;
    CREATE TRIGGER sync AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION sync()"""


@pytest.mark.parametrize("kind", ["", "ALTER SEQUENCE t_id_seq INCREMENT 7"])
def test_no_ordinary_insert_fails_on_a_guarded_table(db: Connection, kind: str) -> None:
    db.execute(f"{TABLE}; {kind}")
    seqguard.guard(db)
    outcome = Run(db.info.dsn)()
    assert (outcome.duplicates, outcome.steps_back) == (0, 0)
    assert outcome.ordinary >= ORDINARY
    assert outcome.explicit >= EXPLICIT
    assert outcome.samples > 50
    assert rows_in(db) == outcome.ordinary + outcome.explicit


def test_the_sequence_is_exact_when_all_is_quiet_again(db: Connection) -> None:
    db.execute(TABLE)
    seqguard.guard(db)
    Run(db.info.dsn)()
    assert seqguard.check(db).in_sync
    furthest = one(db, "SELECT max(id) FROM t")
    assert one(db, "INSERT INTO t DEFAULT VALUES RETURNING id") == furthest + 1


def test_the_usual_recipe_fails_in_the_same_run(db: Connection) -> None:
    db.execute(f"{TABLE}; {RECIPE}")
    outcome = Run(db.info.dsn)()
    assert outcome.duplicates > 0


def test_guarding_while_writers_run_lets_every_insert_through(db: Connection) -> None:
    db.execute(TABLE)

    def install_and_remove(connection: Connection) -> None:
        seqguard.guard(connection)
        seqguard.unguard(connection, "t")

    outcome = Run(db.info.dsn, install_and_remove)()
    assert (outcome.duplicates, outcome.steps_back) == (0, 0)
    assert outcome.ordinary >= ORDINARY
    assert outcome.repairs >= 1
