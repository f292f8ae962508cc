"""A short run of bench/stress.py: 16 sessions on one table, fix and the guard's installation in loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from stress import Case, Result, failures, run, shortcomings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.demo.server import Server

INSERTS = 25_000
SECONDS = 120.0
"""Far more than so many inserts take."""


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[str]:
    """A database for the runs of this module."""
    with psycopg.connect(server.conninfo(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE stress TEMPLATE bare")
        yield server.conninfo("stress")
        admin.execute("DROP DATABASE stress WITH (FORCE)")


@pytest.fixture(scope="module")
def guarded(database: str) -> Result:
    """A run with explicit ids far ahead, from an allocator of their own."""
    return run(database, Case(guard="seqguard", inserts=INSERTS, seconds=SECONDS))


def test_the_usual_recipe_fails_a_thousand_ordinary_inserts(database: str) -> None:
    result = run(database, Case(guard="usual", inserts=INSERTS, duplicates=1_000, seconds=SECONDS))
    assert result.outcome.duplicates >= 1_000
    assert result.classes["twice"] > 500


def test_everything_was_tried_and_every_row_is_there(guarded: Result) -> None:
    assert shortcomings(guarded) == []


def test_a_guarded_sequence_never_goes_back(guarded: Result) -> None:
    assert (guarded.outcome.sampler_back, guarded.outcome.session_back) == (0, 0)


def test_nothing_but_a_duplicate_key_stops_an_insert_on_a_guarded_table(guarded: Result) -> None:
    assert {*guarded.outcome.errors} - {"reinstall refused"} <= {"ordinary 23505"}


def test_a_guarded_sequence_is_in_sync_in_the_end(guarded: Result) -> None:
    assert (guarded.check, guarded.inserts_after) == ("ok", 100)


@pytest.fixture(scope="module")
def interleaved(database: str) -> Result:
    """A run with odd explicit ids just ahead of a sequence of even values, and backends that are paused."""
    return run(database, Case(mode="odd", inserts=INSERTS, seconds=SECONDS, paused=True))


def test_everything_was_tried_with_paused_backends(interleaved: Result) -> None:
    assert shortcomings(interleaved) == []


def test_a_sequence_is_in_sync_after_explicit_ids_just_ahead_of_it(interleaved: Result) -> None:
    assert (interleaved.check, interleaved.inserts_after) == ("ok", 100)


def test_no_ordinary_insert_fails_with_explicit_ids_far_ahead(guarded: Result) -> None:
    assert failures(guarded) == []


def test_no_ordinary_insert_fails_with_explicit_ids_that_the_sequence_does_not_give(
    interleaved: Result,
) -> None:
    assert failures(interleaved) == []
