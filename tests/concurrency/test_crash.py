"""A short run of bench/crash.py: servers killed and standbys promoted in mid-load."""

from __future__ import annotations

import crash
import pytest
from conftest import binaries

LOAD = (0.3, 0.8)


def rounds(situation: str, guard: str, count: int) -> list[crash.Round]:
    return list(crash.rounds(situation, guard, count, load=LOAD, binaries=binaries()))


@pytest.fixture(scope="module")
def unguarded() -> list[crash.Round]:
    """A server killed without a guard."""
    return rounds("kill", "none", 1)


def test_without_a_guard_a_sequence_is_behind_after_a_crash(unguarded: list[crash.Round]) -> None:
    assert [it.check for it in unguarded] == ["behind"]


@pytest.mark.parametrize(("situation", "count"), [("kill", 2), ("kill, synchronous_commit=off", 1)])
def test_after_a_crash_a_guarded_sequence_is_in_sync_and_inserts_succeed(
    situation: str, count: int, unguarded: list[crash.Round]
) -> None:
    done = rounds(situation, "seqguard", count)
    assert crash.judge(situation, done, unguarded) == ("PASS", [])


def test_on_a_promoted_standby_a_guarded_sequence_is_in_sync_and_inserts_succeed(
    unguarded: list[crash.Round],
) -> None:
    if not (binaries() / "pg_basebackup").exists():
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    done = rounds("promote", "seqguard", 1)
    assert crash.judge("promote", done, unguarded) == ("PASS", [])
