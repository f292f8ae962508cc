"""The documentation is true: its sessions are run, its links lead somewhere, nothing is left out.

In a page, a block whose first line is a comment with a file's name is that file; the lines of
a `console` block that start with `$ ` are run in order in one shell, in an empty database, and
what the page shows after each must be what comes out. A line `...` stands for lines left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg
import pytest
from generated import ROOT

from seqguard.cli.main import cli
from seqguard.demo.server import Server, embedded_binaries
from seqguard.model import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"(?:--|#) ([\w-]+\.\w+)\n")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
MARK = "===="


@dataclass(frozen=True)
class Session:
    """What a page shows: the files that it makes, and commands with the output that it promises."""

    files: dict[str, str]
    steps: list[tuple[str, str]]


def session_of(page: Path) -> Session:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    files = {
        named[1]: text for language, text in blocks if language != "console" and (named := FILE.match(text))
    }
    steps = [step for language, text in blocks if language == "console" for step in _steps(text)]
    return Session(files, steps)


def _steps(block: str) -> Iterator[tuple[str, str]]:
    assert block.startswith("$ "), block
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.strip("\n")


SESSIONS = {str(page.relative_to(ROOT)): session for page in PAGES if (session := session_of(page)).steps}


@pytest.fixture
def run(server: Server, dsn: str, tmp_path: Path) -> Callable[[Session], list[str]]:
    """Runs the commands of a session in one shell; returns what each prints."""
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "SEQGUARD_"))
    }
    environment |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(embedded_binaries()), os.environ["PATH"]]),
        "PGHOST": str(server.folder), "PGUSER": "postgres", "PGDATABASE": str(database), "PSQLRC": os.devnull,
    }  # fmt: skip

    def run_session(session: Session) -> list[str]:
        for name, text in session.files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        commands = [f"{command}\nstatus=$?; echo; echo {MARK}; (exit $status)" for command, _ in session.steps]
        done = subprocess.run(
            ["bash"], input="\n".join(commands), cwd=tmp_path, env=environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100,
        )  # fmt: skip
        return done.stdout.replace(str(database), "shop").split(f"{MARK}\n")[:-1]

    return run_session


def plain(output: str) -> list[str]:
    """The lines of an output, without what varies: space at the end, the server's version."""
    output = re.sub(r'("server_version": )"[^"]*"', r'\1"..."', output)
    return [line.rstrip() for line in output.strip("\n").splitlines() if line.strip()]


def shows(promised: str, output: str) -> bool:
    """Whether an output is what the page shows, `...` being any number of lines."""
    parts = ["\n".join(plain(part)) for part in re.split(r"^\.\.\.$", promised, flags=re.MULTILINE)]
    pattern = r"(?:.*\n)?".join(re.escape(f"{part}\n") if part else "" for part in parts)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in plain(output)), re.DOTALL) is not None


@pytest.mark.parametrize("page", SESSIONS)
def test_a_session_prints_what_the_page_shows(page: str, run: Callable[[Session], list[str]]) -> None:
    session = SESSIONS[page]
    for (command, promised), output in zip(session.steps, run(session), strict=True):
        assert shows(promised, output), f"$ {command}\n{output}"


@pytest.mark.parametrize(
    ("promised", "output", "expected"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\n...\nc", "a\nb\nb\nc", True),
        ("a\n...", "b\na", False),
        ("a", "a\nb", False),
    ],
)
def test_dots_stand_for_lines_left_out_and_for_nothing_else(promised: str, output: str, expected: bool) -> None:
    assert shows(promised, output) is expected


def test_the_readme_shows_every_command_that_needs_nothing_but_a_database() -> None:
    commands = "\n".join(command for command, _ in SESSIONS["README.md"].steps)
    assert {name for name in cli.commands if f"seqguard {name}" in commands} >= cli.commands.keys() - {
        "demo",
        "sync",
    }


@pytest.mark.parametrize("command", cli.commands)
def test_a_command_has_a_page_that_is_linked(command: str) -> None:
    assert (ROOT / f"docs/commands/{command}.md").read_text().startswith(f"# seqguard {command}\n")
    assert f"docs/commands/{command}.md" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("status", STATUSES)
def test_a_verdict_has_a_page_that_is_linked(status: str) -> None:
    assert (ROOT / f"docs/verdicts/{status}.md").read_text().startswith(f"# {status}\n")
    assert f"../verdicts/{status}.md" in (ROOT / "docs/commands/check.md").read_text()


def commands_of(command: click.Command) -> list[click.Command]:
    """A command and, when it is a group, everything in it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *(one for subcommand in below for one in commands_of(subcommand))]


OPTIONS = sorted(
    {name for c in commands_of(cli) for o in c.params for name in o.opts if name.startswith("--")}
    - {"--version"}
)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_told_of_in_a_page_written_by_hand(option: str) -> None:
    assert any(option in page.read_text() for page in (ROOT / "docs/commands").glob("*.md"))


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in seen and page.suffix == ".md" and page.exists():
            seen.add(page)
            todo += [(page.parent / target.split("#")[0]).resolve() for target in links(page)]
    assert set(PAGES) <= seen


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def links(page: Path) -> list[str]:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    return [target for target in LINK.findall(text) if not target.startswith(("https://", "http://"))]


def anchors(page: Path) -> set[str]:
    """The anchors of headings, as GitHub makes them."""
    headings = HEADING.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
