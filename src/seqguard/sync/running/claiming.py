"""One worker at a time reads a binlog: a lock in the target says who."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.sync.writing.postgres import row

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

_EVERY = 1.0
_KEEPALIVES = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4"}
"""The server finds out within half a minute that the host of a worker is gone: another one waits for its lock."""


@contextmanager
def claimed(conninfo: str, stream: str, stop: threading.Event, tell: Callable[[str], None]) -> Iterator[None]:
    """Have the lock of a stream while the block lasts; waits for it, or until stop is set.

    tell is called once with who has it. Should the session be lost, the stored position still keeps two workers apart.
    """
    with closing(pg.connect(conninfo)) as connection:
        for name, value in _KEEPALIVES.items():
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])
        parameters, told = {"stream": stream}, False
        while not row(connection, pg.template("sync/claim"), parameters)[0]:
            if not told:
                tell(_holder(connection, stream))
                told = True
            if stop.wait(_EVERY):
                break
        yield


def _holder(connection: pg.Connection, stream: str) -> str:
    found = connection.execute(pg.template("sync/claimed_by"), {"stream": stream}).fetchone()
    if found is None:
        return "a session that has just ended"
    pid, user, address, since = found
    return f"the session of pid {pid}, user {user or '?'}, from {address or 'a socket'}, since {since or '?'}"
