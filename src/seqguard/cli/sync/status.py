"""seqguard sync status."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from seqguard.cli.common import Duration, formatted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seqguard.sync.running.status import Status, Stream

_PARTS = ("file", "pos", "event", "row", "gtid", "server_id")


@click.command(short_help="How far it has come, and what waits.")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--measure",
    type=Duration(),
    default="1s",
    show_default=True,
    help="Count changes for so long to tell the rate; 0 leaves it out.",
)
@formatted("table", "json")
@click.pass_context
def status(context: click.Context, file: str, measure: int, output: str) -> None:
    """Show how far the sync of FILE has come: positions, lag, rate, dead letters.

    Writes nothing, and does not need the worker. Exit code 0 when all is well, 1 when there are dead letters
    or nothing was ever committed, or the source no longer has what comes after a stored position.
    """
    from seqguard.sync.mapping import config
    from seqguard.sync.running.status import status as look

    found = look(config.load(file), measure / 1000)
    click.echo(_json(found) if output == "json" else _table(found))
    context.exit(1 if found.dead or not found.streams or any(one.lost for one in found.streams) else 0)


def _json(found: Status) -> str:
    return json.dumps({**asdict(found), "dead": found.dead}, indent=2, ensure_ascii=False, default=str)


def _table(found: Status) -> str:
    from seqguard.render import as_table

    if not found.streams:
        return f"{found.name}: never committed anything: start it with seqguard sync run"
    letters = [
        f"{table}: {count} {state}"
        for table, states in found.letters.items()
        for state, count in states.items()
    ]
    shown = as_table.streams([_row(stream, found.unit) for stream in found.streams], letters)
    return "\n".join([shown, *(f"{one.stream}: {one.lost}" for one in found.streams if one.lost)])


def _row(stream: Stream, unit: str) -> tuple[str, ...]:
    snapshot = stream.position.get("snapshot")
    if isinstance(snapshot, dict):
        place, unknown = _snapshot(snapshot), "-"
    else:
        place, unknown = " ".join(f"{part}={stream.position[part]}" for part in _ordered(stream.position)), "?"
    behind = unknown if stream.lag_seconds is None or stream.lost else f"{stream.lag_seconds:.1f} s"
    waiting = unknown if stream.waiting is None else f"{stream.waiting} {unit}"
    rate = "" if stream.per_second is None else f"{stream.per_second:.0f}"
    return stream.stream, place, behind, waiting, str(stream.applied), rate


def _ordered(position: Mapping[str, Any]) -> list[str]:
    """The parts of a position as people read them: where in the binlog, by which names, then whatever else."""
    parts = (part for part in position if part != "columns")
    return sorted(parts, key=lambda part: _PARTS.index(part) if part in _PARTS else len(_PARTS))


def _snapshot(done: Mapping[str, Any]) -> str:
    """How far a snapshot is. The server's guess of all rows may be too low."""
    rows, estimate = int(done["rows"]), max(int(done.get("estimate", 0)), int(done["rows"]))
    if not estimate:
        return "snapshot: begins"
    share = min(99, 100 * rows // estimate)
    return f"snapshot: {done['table']}, {rows} of about {estimate} rows ({share} %)"
