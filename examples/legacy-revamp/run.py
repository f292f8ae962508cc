#!/usr/bin/env python3
"""Both platforms on this machine, the service between them, and what it does, in about ten seconds.

`python3 tasks.py example` runs it. It needs MariaDB (Debian: apt-get install mariadb-server) and
pip install 'seqguard[demo,sync]'. The servers are throwaway ones: nothing is left behind.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seqguard.demo import mariadb, server
from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
WAIT = 30.0

JUMP = (
    "INSERT INTO revamp_users (id, user_name, email_address, display_name, source)"
    " VALUES (100, 'jump_test', 'jump@test.com', 'Jump Test', 'revamp')"
)
ORDINARY = "INSERT INTO legacy_users (username, email) VALUES ('ordinary', 'ordinary@test.com') RETURNING id"
UPDATE = "UPDATE revamp_users SET account_status = 'Suspended', source = 'revamp' WHERE id = 100"
DELETE = "DELETE FROM revamp_users WHERE id = 100"
ECHO = (
    "INSERT INTO revamp_users (id, user_name, email_address, source)"
    " VALUES (101, 'ordinary', 'ordinary@test.com', 'sync_service')"
)
AFTER = "UPDATE revamp_users SET mobile = '+1 202 555 0106' WHERE id = 6"
USERS = "SELECT id, username, email, full_name, status, source FROM legacy_users ORDER BY id"
IS_THERE = "SELECT count(*) FROM legacy_users WHERE id = 100 AND status = '{}'"


def main() -> int:
    """Tell the story."""
    try:
        with server.throwaway(server.embedded_binaries()) as postgres, mariadb.throwaway() as mysql:
            point_clients_at(postgres, mysql)
            set_up()
            tell()
    except SeqguardError as error:
        print(f"cannot run the example: {error}", file=sys.stderr)
        return 2
    return 0


def point_clients_at(postgres: server.Server, mysql: mariadb.MariaDB) -> None:
    """As one would in a shell, so that the example's files serve as they are."""
    (mysql.folder / ".my.cnf").write_text(Path(mysql.option_file).read_text())
    programs = [str(Path(sys.executable).parent), str(postgres.binaries), os.environ["PATH"]]
    os.environ.update(
        PATH=os.pathsep.join(programs), PSQLRC=os.devnull,
        PGHOST=str(postgres.folder), PGUSER="postgres", PGDATABASE="postgres",
        HOME=str(mysql.folder),
    )  # fmt: skip


def set_up() -> None:
    """The two databases, from the example's files."""
    title("Two platforms: MariaDB with revamp_db, PostgreSQL with legacy_db")
    shell("mariadb", "-e", "CREATE DATABASE revamp_db")
    shell("mariadb", "revamp_db", "-e", "source databases/mysql/schema.sql")
    shell("createdb", "legacy_db")
    os.environ["PGDATABASE"] = "legacy_db"
    shell("psql", "-q", "-f", "databases/postgres/schema.sql")


def tell() -> None:
    """What the service does."""
    title("The mapping fits both databases")
    shell("seqguard", "sync", "check", "sync.toml")
    title(
        "The service copies what is there, then follows. Rows 1 to 4 came from the legacy side: they stay there"
    )
    with service():
        follow("SELECT count(*) FROM legacy_users WHERE id = 6", "1")
        psql(USERS)
        title("A row with an id far ahead: it arrives with its id, and an ordinary insert goes on behind it")
        revamp(JUMP)
        follow(IS_THERE.format("active"), "1")
        psql(ORDINARY)
        title("Updates and deletes follow")
        revamp(UPDATE)
        follow(IS_THERE.format("suspended"), "1")
        revamp(DELETE)
        follow(IS_THERE.format("suspended"), "0")
        title("Nothing echoes: the ordinary row comes back, marked sync_service, and is not taken")
        revamp(ECHO)
        revamp(AFTER)
        follow("SELECT count(*) FROM legacy_users WHERE phone_number = '+1 202 555 0106'", "1")
        psql(USERS)
        shell("seqguard", "sync", "status", "sync.toml")
    title("Every sequence is right")
    shell("seqguard", "check", "--all")


@contextmanager
def service() -> Iterator[None]:
    """`seqguard sync run`, stopped with SIGTERM at the end."""
    command = ["seqguard", "sync", "run", "sync.toml"]
    print("$", *command, "&", flush=True)
    with subprocess.Popen(command, cwd=HERE) as process:
        try:
            yield
        finally:
            print("$ kill %1", flush=True)
            process.send_signal(signal.SIGTERM)
    if process.returncode:
        sys.exit(f"the service ended with exit code {process.returncode}")


def revamp(statement: str) -> None:
    """A statement on the revamped platform."""
    shell("mariadb", "revamp_db", "-e", statement)


def psql(statement: str) -> None:
    """A statement on the legacy platform."""
    shell("psql", "-c", statement)


def follow(query: str, expected: str) -> None:
    """Wait until the legacy platform answers as expected; say how long that took."""
    began = time.monotonic()
    command = ["psql", "-A", "-t", "-c", query]
    while subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() != expected:
        if time.monotonic() - began > WAIT:
            sys.exit(f"not within {WAIT:.0f} s: {query}")
        time.sleep(0.02)
    print(f"   ... {time.monotonic() - began:.2f} s later", flush=True)


def title(text: str) -> None:
    """The heading of a chapter."""
    print(f"\n{text}", flush=True)


def shell(*command: str) -> None:
    """Run a command, shown as one would type it; stop when it fails."""
    print("$", *map(quoted, command), flush=True)
    if shutil.which(command[0]) is None:
        sys.exit(f"{command[0]} is not installed")
    code = subprocess.call(command, cwd=HERE)
    if code:
        sys.exit(code)


def quoted(word: str) -> str:
    """A word as one would type it: SQL holds single quotes, and reads best in double ones."""
    return f'"{word}"' if "'" in word and not re.search(r'["$`\\!]', word) else shlex.quote(word)


if __name__ == "__main__":
    sys.exit(main())
