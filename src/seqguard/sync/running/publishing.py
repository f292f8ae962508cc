"""Dead letters told to a Kafka topic, from the table in the target that holds them: each at least once.

In a thread and on a connection of its own: brokers that are away keep no row from the target.
"""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.sync.running.backoff import backoff
from seqguard.sync.writing.postgres import row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seqguard.sync.kafka.producing import Topic

_EVERY = 1.0
_AT_ONCE = 500
_LONGEST = 900_000
"""Bytes of a message: brokers take a million."""


class Publisher:
    """Tells the topic of each letter that is for a person. tell is called with what keeps it from that."""

    def __init__(self, conninfo: str, sync: str, topic: Topic, tell: Callable[[str], None]) -> None:
        self._conninfo, self._sync, self._topic, self._tell = conninfo, sync, topic, tell
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="seqguard-letters", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        failures = 0
        while True:
            ends = self._ending.wait(backoff(failures) if failures else _EVERY)
            failures = 0 if self._try() else failures + 1
            if ends:
                return

    def _try(self) -> bool:
        import psycopg

        try:
            with closing(pg.connect(self._conninfo)) as connection:
                while self._publish(connection) == _AT_ONCE:
                    continue
        except (psycopg.Error, SeqguardError) as error:
            self._tell(pg.explain(error))
            return False
        except Exception as error:  # noqa: BLE001 - else the thread would end, and nobody be told of a letter any more
            self._tell(f"{type(error).__name__}: {pg.explain(error)}")
            return False
        return True

    def _publish(self, connection: pg.Connection) -> int:
        """Some letters; returns how many. One worker does it at a time."""
        if not row(connection, pg.template("sync/sync_version"))[0]:
            return 0
        with connection.transaction():
            if not row(connection, pg.template("sync/publisher"), {"sync": self._sync})[0]:
                return 0
            letters = self._unpublished(connection)
            self._topic.send([(one["key"].encode(), message(self._sync, one)) for one in letters])
            parameters = {
                "sync": self._sync,
                "ids": [one["id"] for one in letters],
                "updated": [one["updated"] for one in letters],
            }
            connection.execute(pg.template("sync/letters_published"), parameters)
        return len(letters)

    def _unpublished(self, connection: pg.Connection) -> list[dict[str, Any]]:
        from psycopg.rows import dict_row

        with connection.cursor(row_factory=dict_row) as cursor:
            query = pg.template("sync/letters_to_publish")
            return cursor.execute(query, {"sync": self._sync, "limit": _AT_ONCE}).fetchall()

    def close(self) -> None:
        """Tell what is left, if the brokers answer."""
        self._ending.set()
        self._thread.join()


def message(sync: str, letter: Mapping[str, Any]) -> bytes:
    """A letter as JSON. One that brokers would not take comes without its rows: the table has them."""
    text = _json({"sync": sync, **letter})
    if len(text) > _LONGEST:
        text = _json({"sync": sync, **letter, "before": None, "after": None, "rows_left_out": True})
    return text


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, default=lambda value: value.isoformat()).encode()
