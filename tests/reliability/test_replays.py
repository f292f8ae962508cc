"""What was applied may be applied again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
from history import History

if TYPE_CHECKING:
    from platforms import World


def test_a_replay_from_an_earlier_position_changes_nothing(world: World) -> None:
    world.catch_up()
    with psycopg.connect(world.dsn, autocommit=True) as target, closing(world.source()) as connection:
        target.execute("CREATE TABLE before_it AS SELECT * FROM seqguard_sync.positions")
        history = History(connection, seed=3)
        for _ in range(4):
            for _ in range(60):
                history.transaction()
            world.catch_up("--batch-size", "50")
            world.assert_equal()
            target.execute(
                'UPDATE seqguard_sync.positions AS p SET "offset" = b."offset" FROM before_it AS b'
                " WHERE b.sync = p.sync AND b.stream = p.stream"
            )
            world.catch_up("--batch-size", "333")
            world.assert_equal()
    world.assert_ordinary_inserts_succeed()


def test_a_second_snapshot_changes_nothing_and_makes_good_what_was_lost(world: World) -> None:
    world.fill(500)
    world.catch_up()
    with psycopg.connect(world.dsn, autocommit=True) as target:
        target.execute("DELETE FROM legacy_users WHERE id > 1000 AND id % 2 = 0")
        target.execute("UPDATE legacy_users SET full_name = 'lost' WHERE id > 1000")
    world.catch_up("--snapshot")
    world.assert_equal()
