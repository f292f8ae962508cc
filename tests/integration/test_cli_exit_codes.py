"""The exit code of each command, with the real console script on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from console import COMMANDS, run

if TYPE_CHECKING:
    from conftest import Connect

ON_DATABASE = ("check", "fix", "guard", "unguard")


def test_check_exits_0_when_all_is_in_sync(in_sync: str) -> None:
    assert run("check", in_sync).code == 0


def test_check_exits_1_when_a_sequence_is_behind(behind: str) -> None:
    assert run("check", behind).code == 1


def test_check_exits_1_when_a_table_cannot_be_read(locked: str) -> None:
    assert run("check", locked, "-t", "users", "--lock-timeout", "10ms").code == 1


def test_fix_exits_0_when_it_has_moved_what_was_behind(behind: str) -> None:
    assert run("fix", behind).code == 0


def test_fix_exits_0_when_there_is_nothing_to_do(in_sync: str) -> None:
    assert run("fix", in_sync).code == 0


def test_fix_exits_1_when_something_is_left(exhausted: str) -> None:
    assert run("fix", exhausted).code == 1


def test_fix_dry_run_exits_1_when_there_is_something_to_do(behind: str) -> None:
    assert run("fix", behind, "--dry-run").code == 1


def test_guard_exits_0_when_every_column_is_guarded(behind: str) -> None:
    assert run("guard", behind).code == 0


def test_guard_exits_1_when_a_table_stays_locked(locked: str) -> None:
    assert run("guard", locked, "posts", "users", "--lock-timeout", "10ms").code == 1


def test_guard_list_exits_1_when_a_guard_is_missing(in_sync: str) -> None:
    assert run("guard", in_sync, "--list").code == 1


def test_guard_list_exits_0_when_every_guard_is_there(in_sync: str) -> None:
    run("guard", in_sync)
    assert run("guard", in_sync, "--list").code == 0


def test_unguard_exits_0_when_the_guards_are_gone(in_sync: str) -> None:
    run("guard", in_sync)
    assert run("unguard", in_sync, "users").code == 0


def test_unguard_exits_1_when_a_table_stays_locked(behind: str, connect: Connect) -> None:
    run("guard", behind)
    with connect() as other, other.transaction():
        other.execute("LOCK TABLE users")
        assert run("unguard", behind, "users", "--lock-timeout", "10ms").code == 1


def test_unguard_exits_2_when_it_is_not_told_what(dsn: str) -> None:
    assert run("unguard", dsn).code == 2


def test_script_exits_0() -> None:
    assert run("script").code == 0


@pytest.mark.parametrize("command", ON_DATABASE)
def test_a_command_exits_2_when_it_cannot_connect(command: str) -> None:
    assert run(command, "host=/nonexistent", *(["--all"] if command == "unguard" else [])).code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exits_2_on_an_option_that_it_does_not_have(command: str) -> None:
    assert run(command, "--nonsense").code == 2


def test_fix_exits_2_on_a_read_only_server(behind: str) -> None:
    result = run("fix", behind, PGOPTIONS="-c default_transaction_read_only=on")
    assert (result.code, result.err.count("\n")) == (2, 1)


def test_check_works_on_a_read_only_server(behind: str) -> None:
    assert run("check", behind, PGOPTIONS="-c default_transaction_read_only=on").code == 1


def test_guard_exits_2_for_a_role_that_may_not_create_its_schema(behind: str, role: str) -> None:
    result = run("guard", f"{behind} user={role}")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "GRANT CREATE ON DATABASE" in result.err
