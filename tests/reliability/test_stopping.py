"""A worker that is asked to stop does so in good order, within seconds."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psycopg
import pytest
from platforms import until

if TYPE_CHECKING:
    from platforms import World


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_snapshot_stops_it_with_exit_code_0(world: World, number: signal.Signals) -> None:
    world.fill(5_000)
    with psycopg.connect(world.dsn) as other:
        other.execute("LOCK TABLE legacy_users IN EXCLUSIVE MODE")
        worker = world.start("--batch-size", "500")
        until(world.is_waiting_for_a_lock, "the first batch is under way")
        worker.process.send_signal(number)
    assert worker.process.wait(60) == 0, worker.logged()  # cut off, it would be another
    assert 0 < world.count_target() < 5_000
    world.catch_up()
    world.assert_equal()


def test_a_batch_that_waits_for_a_lock_is_cut_off_and_rolled_back(world: World) -> None:
    world.catch_up()
    worker = world.start()
    until(lambda: "caught up" in worker.logged(), "the worker is idle")
    with psycopg.connect(world.dsn) as other:
        other.execute("LOCK TABLE legacy_users IN ACCESS EXCLUSIVE MODE")
        world.change("UPDATE revamp_users SET display_name = 'late' WHERE id = 5")
        until(world.is_waiting_for_a_lock, "the worker waits")
        worker.process.terminate()
        assert worker.process.wait(60) == 128 + signal.SIGTERM
    assert "the batch that was under way is rolled back" in worker.logged()
    world.catch_up()
    world.assert_equal()
