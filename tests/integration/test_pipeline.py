"""Scripts are sent ahead of their results; an error, an end in the middle and a lost connection stay what they are."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import Connect, Connection, eventually, one
from psycopg.pq import ExecStatus

from seqguard.pipeline import run

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
LOCK = ((b"SELECT pg_advisory_xact_lock(1)",),)


def value(results: list[PGresult]) -> bytes | None:
    return results[0].get_value(0, 0)


@pytest.fixture
def blocked(db: Connection) -> Connection:
    """Holds the lock that LOCK waits for."""
    db.execute("SELECT pg_advisory_lock(1)")
    return db


def test_results_come_while_later_scripts_run(blocked: Connection, connect: Connect) -> None:
    results = run([connect()], [((b"SELECT 'first'",),), LOCK, ((b"SELECT 'last'",),), ((b"SELECT",),)])
    assert value(next(results)) == b"first"
    eventually(blocked, WAITING, 1)
    blocked.execute("SELECT pg_advisory_unlock(1)")
    next(results)
    assert value(next(results)) == b"last"


def test_connections_take_turns_and_results_keep_their_order(connect: Connect) -> None:
    connections = [connect(), connect()]
    scripts = [((b"SELECT pg_backend_pid() || ' %d'" % number,),) for number in range(9)]
    pids = [connection.info.backend_pid for connection in connections]
    expected = [f"{pids[number % 2]} {number}".encode() for number in range(9)]
    assert [value(results) for results in run(connections, scripts)] == expected


def test_what_is_under_way_on_every_connection_is_cancelled(blocked: Connection, connect: Connect) -> None:
    connections = [connect(), connect()]
    results = run(connections, [((b"SELECT",),), LOCK, LOCK, *repeat(((b"SELECT",),), 9)])
    next(results)
    eventually(blocked, WAITING, 2)
    results.close()  # type: ignore[attr-defined]
    assert [one(connection, "SELECT 'usable'") for connection in connections] == ["usable"] * 2
    assert one(blocked, WAITING) == 0


def test_an_error_takes_along_the_rest_of_its_segment_only(db: Connection) -> None:
    scripts = [((b"SELECT 1", b"SELECT 1/0", b"SELECT 2"), (b"SELECT 3",)), ((b"SELECT 4",),)]
    statuses = [[ExecStatus(result.status).name for result in results] for results in run([db], scripts)]
    assert statuses == [["TUPLES_OK", "FATAL_ERROR", "PIPELINE_ABORTED", "TUPLES_OK"], ["TUPLES_OK"]]


def test_what_is_under_way_is_cancelled_when_nobody_waits_for_it(blocked: Connection, connect: Connect) -> None:
    connection = connect()
    results = run([connection], [((b"SELECT",),), LOCK, ((b"SELECT",),), ((b"SELECT",),)])
    next(results)
    eventually(blocked, WAITING, 1)
    results.close()  # type: ignore[attr-defined]
    assert one(connection, "SELECT 'usable'") == "usable"
    assert one(blocked, WAITING) == 0


def test_a_lost_connection_is_an_error(blocked: Connection, connect: Connect) -> None:
    connection = connect()
    results = run([connection], [((b"SELECT",),), LOCK, ((b"SELECT",),), ((b"SELECT",),)])
    next(results)
    eventually(blocked, WAITING, 1)
    blocked.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    with pytest.raises(psycopg.OperationalError, match=r"closed the connection|terminating connection"):
        next(results)
    assert connection.broken


def test_more_than_the_sockets_hold_goes_both_ways(db: Connection) -> None:
    text = b"x" * 4_000_000
    found = [value(results) for results in run([db], repeat(((b"SELECT '%s'" % text,),), 5))]
    assert found == [text] * 5
