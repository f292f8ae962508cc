"""Results as JSON: one object, stable keys, names as format('%I.%I') prints them."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seqguard.model import Guard, Report, SequenceReport

_NOT_SHOWN = ("facts", "steps")


def report(result: Report) -> str:
    """A report of check or fix. Integers are exact, some beyond 2**53."""
    return _dump(
        {
            "server_version": result.server_version,
            "database": result.database,
            "summary": result.summary,
            "sequences": [_sequence(sequence) for sequence in result.sequences],
        }
    )


def guards(result: Iterable[Guard]) -> str:
    """A list of guards."""
    return _dump({"guards": [asdict(guard) for guard in result]})


def _sequence(sequence: SequenceReport) -> dict[str, Any]:
    shown = {field.name: getattr(sequence, field.name) for field in fields(sequence)}
    for name in _NOT_SHOWN if sequence.repair else (*_NOT_SHOWN, "repair"):
        del shown[name]
    return shown


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=asdict)
