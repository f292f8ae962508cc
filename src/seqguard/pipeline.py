"""Statements sent ahead of their results, so that neither side waits for the other.

psycopg's own pipeline waits for all that was sent whenever it fetches or syncs. This one sends on while results
are put to use. It talks to libpq, through psycopg.pq.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from psycopg.pq.abc import PGresult

    from seqguard.pg import Connection

Segment = Sequence[bytes]
"""Statements without parameters. One that fails takes along those after it in its segment, and no others."""

AHEAD = 4
"""Scripts that each connection is sent before one is received."""


def run(connections: Sequence[Connection], scripts: Iterable[Sequence[Segment]]) -> Iterator[list[PGresult]]:
    """Run scripts of several segments each, and yield the results of each script's statements, in their order.

    The connections take turns. A script is to end the transaction that it begins. Raises
    psycopg.OperationalError when a connection is lost. What is still under way when the caller stops in the
    middle is cancelled.
    """
    with ExitStack() as stack:
        pipelines = cycle([stack.enter_context(_Pipeline(connection)) for connection in connections])
        under_way: deque[Callable[[], list[PGresult]]] = deque()
        for pipeline, script in zip(pipelines, scripts, strict=False):
            for segment in script:
                pipeline.send(segment)
            under_way.append(partial(pipeline.receive, len(script)))
            if len(under_way) > AHEAD * len(connections):
                yield under_way.popleft()()
        while under_way:
            yield under_way.popleft()()


class _Pipeline:
    """libpq's pipeline mode, on a connection that psycopg does not use meanwhile."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._pgconn = connection, connection.pgconn
        self._selector = selectors.DefaultSelector()
        self._unended = 0

    def __enter__(self) -> Self:
        self._pgconn.enter_pipeline_mode()
        self._selector.register(self._pgconn.socket, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        with self._selector:
            if self._is_lost():
                return
            while self._unended:
                self._connection.cancel_safe()
                self.receive(1)
            self._pgconn.exit_pipeline_mode()

    def send(self, segment: Segment) -> None:
        """Send a segment's statements."""
        for statement in segment:
            self._pgconn.send_query_params(statement, None)
        self._pgconn.pipeline_sync()
        self._unended += 1
        while self._pgconn.flush():
            self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def receive(self, segments: int) -> list[PGresult]:
        """The results of so many segments' statements."""
        from psycopg.pq import ExecStatus

        results: list[PGresult] = []
        left = self._unended - segments
        while self._unended > left:
            result = self._next()
            if result.status == ExecStatus.PIPELINE_SYNC:
                self._unended -= 1
            else:
                results.append(result)
        return results

    def _next(self) -> PGresult:
        """The next result; libpq ends those of each statement with None."""
        while True:
            while self._pgconn.is_busy():
                self._wait(selectors.EVENT_READ)
            result = self._pgconn.get_result()
            if self._is_lost():
                raise self._lost(result)
            if result:
                return result

    def _wait(self, events: int) -> None:
        """Wait for the server. What it sends is read at any rate: one that cannot send does not read either."""
        self._selector.modify(self._pgconn.socket, events)
        for _, ready in self._selector.select():
            if ready & selectors.EVENT_READ:
                self._pgconn.consume_input()

    def _is_lost(self) -> bool:
        from psycopg.pq import ConnStatus

        return self._pgconn.status == ConnStatus.BAD

    def _lost(self, result: PGresult | None) -> Exception:
        import psycopg

        message = result.error_message if result else self._pgconn.error_message
        return psycopg.OperationalError(message.decode(self._connection.info.encoding, "replace").strip())
