"""More connections like one that there is, to read over beside it."""

from __future__ import annotations

import selectors
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING

from seqguard import pg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqguard.pg import Connection

MANY = 2_000
"""Columns from which a second connection pays, twice as many for a third: see docs/design/speed.md."""
PATIENCE = 2
"""Seconds to wait for another connection."""


@contextmanager
def readers(connection: Connection, jobs: int, columns: int) -> Iterator[list[Connection]]:
    """The connection, and up to jobs - 1 more like it where so many columns are to be read, closed afterwards.

    It stays alone in a transaction, whose changes no other sees, and without autocommit, where a transaction is
    about to begin. So it does where there is no other to be had.
    """
    from psycopg.pq import TransactionStatus

    free = connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE
    with ExitStack() as stack:
        found = [connection]
        for _ in range(min(jobs - 1, columns // MANY) if free else 0):
            if not (another := _another(connection)):
                break
            found.append(stack.enter_context(closing(another)))
        yield found


def _another(connection: Connection) -> Connection | None:
    """A connection to the same server and database, as the same role and within the same limits."""
    import psycopg

    with suppress(psycopg.Error, UnicodeError), ExitStack() as stack:
        here = pg.session(connection)
        another = stack.enter_context(closing(psycopg.connect(_conninfo(connection), autocommit=True)))
        if _answers(another) and pg.session(another) == here:
            stack.pop_all()
            return another
    return None


def _conninfo(connection: Connection) -> str:
    """Every parameter as it is, defaults too: the environment may have others."""
    from psycopg.conninfo import make_conninfo

    options = connection.pgconn.info
    given = {option.keyword.decode(): option.val.decode() for option in options if option.val is not None}
    encoding = connection.info.parameter_status("client_encoding")
    return make_conninfo("", **given | {"client_encoding": encoding, "connect_timeout": str(PATIENCE)})


def _answers(connection: Connection) -> bool:
    """Whether it does so in time: a pooler may let it wait for a server that is not to be had."""
    connection.pgconn.send_query(b"")
    with selectors.DefaultSelector() as selector:
        selector.register(connection.pgconn.socket, selectors.EVENT_READ)
        if not selector.select(PATIENCE):
            return False
    while connection.pgconn.get_result():
        pass
    return True
