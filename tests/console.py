"""Runs the real console script: in pipes, on a terminal, in the background."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(sys.executable).parent / "seqguard"
COMMANDS = ("check", "fix", "guard", "unguard", "script", "demo")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str = ""


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would change the answers."""
    kept = {name: value for name, value in os.environ.items() if not re.match("PG|SEQGUARD|NO_COLOR", name)}
    return {**kept, **variables}


def as_variables(dsn: str) -> dict[str, str]:
    """A conninfo as libpq's variables."""
    names = {"host": "PGHOST", "dbname": "PGDATABASE", "user": "PGUSER"}
    return {names[name]: value for name, value in (part.split("=") for part in dsn.split())}


def run(*arguments: str, **variables: str) -> Result:
    """Run the console script with its output in pipes."""
    done = subprocess.run(
        [SCRIPT, *arguments], capture_output=True, text=True, check=False, env=environment(**variables)
    )
    return Result(done.returncode, done.stdout, done.stderr)


def run_on_terminal(*arguments: str, only_stderr: bool = False, **variables: str) -> Result:
    """The same on a terminal. What the terminal shows is in err."""
    terminal, its_end = os.openpty()
    with tempfile.TemporaryFile("w+") as file:
        with subprocess.Popen(
            [SCRIPT, *arguments],
            stdin=its_end,
            stdout=file if only_stderr else its_end,
            stderr=its_end,
            env=environment(**variables),
        ) as process:
            os.close(its_end)
            shown = b"".join(iter(lambda: read_terminal(terminal), b""))
        os.close(terminal)
        file.seek(0)
        return Result(process.returncode, file.read(), shown.decode())


def read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


@contextmanager
def started(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The console script in the background; killed in the end if it still runs."""
    with subprocess.Popen(
        [SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            process.kill()
