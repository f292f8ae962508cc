"""Schema seqguard_sync in the target, and the positions in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from seqguard import pg
from seqguard.errors import SeqguardError
from seqguard.script import sql_file
from seqguard.sync.failure import LostStreamError
from seqguard.sync.writing.postgres import row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from seqguard.sync.event import Change, Offset

MIGRATIONS = ("schema_1",)
"""The files in sql/sync that lead from each version of the schema to the next."""
_INSTALLERS = 8317985137926546


def install(connection: pg.Connection) -> None:
    """Create schema seqguard_sync, or bring an older one up to date.

    Raises SeqguardError, with the GRANT that helps, where the role may not.
    """
    import psycopg

    try:
        if _version(connection) == len(MIGRATIONS):
            return
        with connection.transaction():
            connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [_INSTALLERS])
            for name in MIGRATIONS[_version(connection) :]:
                connection.execute(sql_file(f"sync/{name}").encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise _not_allowed(connection, error) from None


def is_installed(connection: pg.Connection) -> bool:
    """Whether schema seqguard_sync is there."""
    return bool(row(connection, pg.template("sync/sync_version"))[0])


def _version(connection: pg.Connection) -> int:
    """Which version of the schema is there, 0 for none.

    Raises SeqguardError for one that a newer seqguard has made.
    """
    is_there, _, _ = row(connection, pg.template("sync/sync_version"))
    found = int(row(connection, "SELECT version FROM seqguard_sync.version")[0]) if is_there else 0
    if found > len(MIGRATIONS):
        raise SeqguardError(
            f"schema seqguard_sync is of version {found}, made by a newer seqguard: this one knows {len(MIGRATIONS)}"
        )
    return found


def _not_allowed(connection: pg.Connection, error: Exception) -> SeqguardError:
    is_there, database, role = row(connection, pg.template("sync/sync_version"))
    role = pg.identifier(role).as_string(None)
    grant = (
        f"GRANT USAGE ON SCHEMA seqguard_sync TO {role};"
        f" GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA seqguard_sync TO {role}"
        if is_there or "schema seqguard_sync" in str(error)
        else f"GRANT CREATE ON DATABASE {pg.identifier(database).as_string(None)} TO {role}"
    )
    return SeqguardError(f"cannot keep positions in schema seqguard_sync: {pg.explain(error)}. {grant}")


class Positions:
    """The positions of one sync, and what this worker last knew of each."""

    def __init__(self, sync: str) -> None:
        self._sync = sync
        self._known: dict[str, Offset] = {}

    def read(self, connection: pg.Connection, stream: str) -> Offset | None:
        """Where the target stands in a stream. From here on this worker moves it."""
        found = connection.execute(
            pg.template("sync/stored_position"), {"sync": self._sync, "stream": stream}
        ).fetchone()
        self._known.pop(stream, None)
        if found:
            self._known[stream] = found[0]
        return found[0] if found else None

    def move(
        self, connection: pg.Connection, positions: Mapping[str, Offset], changes: Sequence[Change]
    ) -> None:
        """Move streams on, in the transaction that is open. settle() after its commit.

        Raises LostStreamError when one of them no longer stands where this worker left it.
        """
        counts, times = _counted(changes)
        moved = connection.execute(
            pg.template("sync/move_positions"),
            {
                "sync": self._sync,
                "streams": list(positions),
                "expected": [_text(self._known.get(stream)) for stream in positions],
                "offsets": [_text(offset) for offset in positions.values()],
                "times": [times.get(stream) for stream in positions],
                "counts": [counts.get(stream, 0) for stream in positions],
            },
        ).fetchall()
        _require_all(positions, {stream for (stream,) in moved})

    def settle(self, positions: Mapping[str, Offset]) -> None:
        """The move is committed."""
        self._known.update(positions)


def _text(offset: Offset | None) -> str | None:
    return None if offset is None else json.dumps(offset)


def _counted(changes: Sequence[Change]) -> tuple[dict[str, int], dict[str, datetime | None]]:
    """By stream: how many changes, and when the last was written."""
    counts: dict[str, int] = {}
    times: dict[str, datetime | None] = {}
    for change in changes:
        stream = change.position.stream
        counts[stream] = counts.get(stream, 0) + 1
        times[stream] = change.at or times.get(stream)
    return counts, times


def _require_all(streams: Iterable[str], moved: set[str]) -> None:
    lost = sorted(set(streams) - moved)
    if lost:
        raise LostStreamError(
            f"another worker has moved {', '.join(lost)} on: this one starts again from the stored position"
        )
