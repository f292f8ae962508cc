"""Where to connect, and options from the environment."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click
import pytest
from console import COMMANDS, as_variables, run
from tables import last_value

from seqguard.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Connection


# how to connect


@pytest.mark.parametrize("command", [("check",), ("fix", "--dry-run"), ("guard", "--list")])
def test_libpqs_variables_say_where(behind: str, command: tuple[str, ...]) -> None:
    assert "users_id_seq" in run(*command, **as_variables(behind)).out


def test_a_service_file_says_where(behind: str, tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[here]\n" + behind.replace(" ", "\n"))
    assert run("check", "service=here", PGSERVICEFILE=str(services)).code == 1


def test_a_uri_says_where(behind: str) -> None:
    parts = dict(part.split("=") for part in behind.split())
    assert run("check", f"postgresql:///{parts['dbname']}?host={parts['host']}&user={parts['user']}").code == 1


@pytest.mark.parametrize("command", ["check", "fix"])
def test_a_plain_word_is_a_database(behind: str, command: str) -> None:
    variables = as_variables(behind)
    database = variables.pop("PGDATABASE")
    result = run(command, database, "--format", "json", **variables)
    assert json.loads(result.out)["database"] == database


def test_a_plain_word_is_a_table_for_guard(behind: str) -> None:
    guards = json.loads(run("guard", "users", "--format", "json", **as_variables(behind)).out)["guards"]
    assert [guard["table"] for guard in guards] == ["public.users"]


# options from the environment


def test_an_option_can_come_from_the_environment(behind: str) -> None:
    assert json.loads(run("check", behind, SEQGUARD_CHECK_FORMAT="json").out)["summary"]["behind"] == 1


def test_a_flag_can_come_from_the_environment(behind: str, db: Connection) -> None:
    run("fix", behind, SEQGUARD_FIX_DRY_RUN="1")
    assert last_value(db) == 1


def test_the_command_line_overrides_the_environment(behind: str) -> None:
    assert run("check", behind, "--format", "table", SEQGUARD_CHECK_FORMAT="json").out.startswith("sequence ")


def test_several_patterns_come_from_one_variable(behind: str, db: Connection) -> None:
    db.execute('CREATE TABLE "Two Words" (id serial)')
    result = run("check", behind, "--format", "json", SEQGUARD_CHECK_TABLE='posts "Two Words"')
    assert [s["sequence"] for s in json.loads(result.out)["sequences"]] == [
        'public."Two Words_id_seq"',
        "public.posts_id_seq",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_variable_of_every_option(command: str) -> None:
    options = [option for option in cli.commands[command].params if isinstance(option, click.Option)]
    longest = [max(option.opts, key=len).lstrip("-") for option in options]
    wanted = {f"SEQGUARD_{command}_{name}".upper().replace("-", "_") for name in longest}
    assert set(re.findall(r"SEQGUARD_\w+", run(command, "--help").out)) == wanted


def test_a_variable_that_sounds_like_the_version_is_no_option(in_sync: str) -> None:
    assert run("check", in_sync, SEQGUARD_VERSION="0.1").code == 0
