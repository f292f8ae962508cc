"""A throwaway MariaDB server from the system's packages, with the binlog that sync reads.

It runs as the user who starts it, root included, and listens on a socket in its folder and on a loopback port.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqguard.demo.ports import free_port
from seqguard.errors import SeqguardError
from seqguard.sync.mysql import client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SETTINGS = {
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "server-id": "1",
    "bind-address": "127.0.0.1",
    "innodb-buffer-pool-size": "64M",
    # nothing here outlives the server
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "OFF",
    "sync-binlog": "0",
    "skip-name-resolve": "1",
    "character-set-server": "utf8mb4",
}
_SECONDS = 30


def binary(name: str) -> str:
    """Where a program of MariaDB lies. Raises SeqguardError when it is not installed."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SeqguardError(f"{name} is not installed: apt-get install mariadb-server")
    return found


@dataclass
class MariaDB:
    """A server in its folder, which holds data, log, socket and an option file for clients."""

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def option_file(self) -> str:
        """What a client needs to connect as the superuser."""
        return str(self.folder / "client.cnf")

    def connect(self, database: str | None = None, **driver: Any) -> client.Connection:
        """An autocommit connection of the superuser."""
        return client.connect(self.option_file, database=database, **driver)

    def start(self) -> None:
        """Start the server, on the port that it had before.

        Raises SeqguardError with the end of its log when it does not answer.
        """
        lines = {**_SETTINGS, "port": str(self.port), "datadir": str(self.folder / "data"),
                 "tmpdir": str(self.own_tmpdir()), "socket": str(self.folder / "socket"),
                 "log-error": str(self.folder / "log"), "pid-file": str(self.folder / "pid"),
                 **self.settings}  # fmt: skip
        command = [binary("mariadbd"), "--no-defaults", "--user", _user(), *_flags(lines)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - no shell
        self._wait(self.process)

    def own_tmpdir(self) -> Path:
        """A server that starts removes the temporary tables of every other one in the same folder."""
        folder = self.folder / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                self._knock()
                self.connect().close()
            except (OSError, SeqguardError):
                time.sleep(0.05)
            else:
                return
        self.kill()
        raise SeqguardError(f"MariaDB does not start: {_tail(self.folder / 'log')}")

    def _knock(self) -> None:
        """Raise OSError when nobody listens; the driver would then leave its socket open."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self.folder / "socket"))

    def stop(self) -> None:
        """Stop the server in good order; it may be started again. Raises SeqguardError when it had to be killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop the server as a crash would."""
        self._end(signal.SIGKILL)
        (self.folder / "socket").unlink(missing_ok=True)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise SeqguardError(f"MariaDB did not end within {_SECONDS} s, and was killed") from None

    def remove(self) -> None:
        """Kill the server if it runs, and remove its folder."""
        try:
            self.kill()
        finally:
            shutil.rmtree(self.folder)


def create(settings: Mapping[str, str] | None = None) -> MariaDB:
    """Set up and start a server in a new folder below the system's temporary one.

    Raises SeqguardError, and leaves nothing behind, when it does not start.
    """
    server = MariaDB(Path(tempfile.mkdtemp(prefix="seqguard-mariadb-")), free_port(), settings or {})
    try:
        _initialize(server)
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


def _initialize(server: MariaDB) -> None:
    """The folder is this user's alone: whoever reaches the socket in it is trusted."""
    command = [
        binary("mariadb-install-db"),
        "--no-defaults",
        f"--user={_user()}",
        f"--datadir={server.folder / 'data'}",
        f"--tmpdir={server.own_tmpdir()}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if made.returncode:
        raise SeqguardError(f"mariadb-install-db failed: {(made.stdout + made.stderr).strip()[-500:]}")
    lines = ("[client]", "user = root", f"socket = {server.folder / 'socket'}")
    Path(server.option_file).write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def throwaway(settings: Mapping[str, str] | None = None) -> Iterator[MariaDB]:
    """A server that is gone afterwards."""
    server = create(settings)
    try:
        yield server
    finally:
        server.remove()


def _flags(lines: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in lines.items()]


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "it wrote no log"
