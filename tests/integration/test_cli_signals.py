"""What a session of a command is called, and how it ends."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from conftest import Connection, one
from console import started

if TYPE_CHECKING:
    from collections.abc import Callable


def waiting_for_a_lock(db: Connection) -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'seqguard' AND wait_event_type = 'Lock'"
    )
    return bool(one(db, query))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("command", ["check", "fix", "guard"])
def test_a_signal_ends_the_command_and_its_statement_on_the_server(
    locked: str, db: Connection, command: str, name: str
) -> None:
    number = getattr(signal, name)
    with started(command, locked, "--lock-timeout", "0", "--statement-timeout", "0") as process:
        wait_until(lambda: waiting_for_a_lock(db))
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, "Traceback" in err) == (128 + number, "", False)
    wait_until(lambda: not waiting_for_a_lock(db))


def test_a_session_is_named_seqguard(db: Connection, locked: str) -> None:
    with started("check", locked, "--lock-timeout", "0") as process:
        wait_until(lambda: waiting_for_a_lock(db))
        waiting = "SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        assert one(db, f"{waiting} AND datname = current_database()") == "seqguard"
        process.terminate()
