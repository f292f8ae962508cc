"""Servers stop, connections break: the worker waits, goes on, and nothing is lost or done twice."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import audit
import pytest
from history import History, under_load
from proxy import proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platforms import World
    from proxy import Proxy

    from seqguard.demo.server import Server


@pytest.fixture
def link(world: World, stoppable_postgres: Server) -> Iterator[Proxy]:
    """What the worker reaches PostgreSQL through."""
    with proxy(stoppable_postgres.folder / ".s.PGSQL.5432") as made:
        world.conninfo = (
            f"host=127.0.0.1 port={made.port} user=postgres dbname={world.database}"
            " sslmode=disable gssencmode=disable"
        )
        world.write_mapping()
        yield made


def assert_all_is_well(world: World) -> None:
    world.catch_up()
    world.assert_equal()
    audit.assert_nothing_twice(world)
    world.assert_no_letters()
    world.assert_ordinary_inserts_succeed()


def test_connections_to_postgresql_that_are_cut_cost_nothing_but_time(world: World, link: Proxy) -> None:
    world.catch_up()
    audit.install(world)
    with under_load(world.source, seed=1), world.running("--batch-size", "20") as worker:
        worker.until_reading()
        for _ in range(20):
            time.sleep(0.15)
            link.cut()
        link.refuse()
        time.sleep(0.5)
        link.accept()
    assert_all_is_well(world)


def test_a_restart_of_postgresql_costs_nothing_but_time(world: World, stoppable_postgres: Server) -> None:
    world.catch_up()
    audit.install(world)
    with under_load(world.source, seed=2), world.running("--batch-size", "20") as worker:
        worker.until_reading()
        for mode in ("fast", "immediate"):
            time.sleep(1)
            stoppable_postgres.stop(mode)
            stoppable_postgres.start()
        time.sleep(1)
    assert_all_is_well(world)


def test_a_restart_of_mariadb_with_new_binlogs_costs_nothing_but_time(world: World) -> None:
    world.catch_up()
    audit.install(world)
    with world.running("--batch-size", "20") as worker:
        worker.until_reading()
        for seed, end in enumerate((world.mariadb.stop, world.mariadb.kill)):
            write(world, seed)
            world.change("FLUSH BINARY LOGS")
            write(world, seed + 10)
            end()
            world.mariadb.start()
            write(world, seed + 20)
        assert worker.process.poll() is None, worker.logged()
    assert_all_is_well(world)


def write(world: World, seed: int) -> None:
    """A hundred transactions."""
    with closing(world.source()) as connection:
        history = History(connection, seed)
        for _ in range(100):
            history.transaction()
