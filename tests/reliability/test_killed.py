"""A worker that dies at any moment loses nothing and does nothing twice."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import audit
import pytest
from history import under_load

if TYPE_CHECKING:
    from platforms import World

KILLS = int(os.environ.get("SEQGUARD_TEST_KILLS", "50"))


@pytest.mark.timeout(60 + 4 * KILLS)
def test_a_worker_killed_again_and_again_under_load_does_everything_once(world: World) -> None:
    world.catch_up()
    audit.install(world)
    moments = random.Random(4)
    with under_load(world.source, seed=4):
        for _ in range(KILLS):
            worker = world.start("--batch-size", "20")
            worker.until_reading()
            time.sleep(moments.uniform(0, 0.2))
            worker.kill()
    world.catch_up()
    world.assert_equal()
    audit.assert_nothing_twice(world)
    world.assert_no_letters()
    world.assert_ordinary_inserts_succeed()


def test_a_worker_killed_in_mid_snapshot_goes_on_with_it(world: World) -> None:
    world.fill(30_000)
    moments = random.Random(5)
    for _ in range(8):
        worker = world.start("--batch-size", "500")
        worker.until_reading()
        time.sleep(moments.uniform(0, 0.3))
        worker.kill()
        world.change("UPDATE revamp_users SET display_name = 'changed meanwhile' WHERE id % 7 = 0")
    world.catch_up()
    world.assert_equal()
    world.assert_ordinary_inserts_succeed()
