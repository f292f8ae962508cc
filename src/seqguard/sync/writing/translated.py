"""What a batch's changes mean for the target, and those that mean nothing that could be applied. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqguard.sync.failure import BadValueError
from seqguard.sync.mapping.translating import translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seqguard.sync.event import Change
    from seqguard.sync.mapping.step import Step
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.writing.letters import State

_STOPPED = "the table is stopped: put right what the error says, start again, and retry these letters"
_UNFIT = "the value does not go into the target: change the mapping or the row at the source"


@dataclass(frozen=True, slots=True)
class Work:
    """Steps for the target; and of each change that makes none: state, SQLSTATE, error, detail.

    idle: changes that mean nothing to the target, as those that a filter leaves out.
    """

    steps: list[Step]
    refused: list[tuple[Change, State, str, str, str]]
    idle: list[Change]


def translated(
    changes: Iterable[Change], mappings: Mapping[str, TableMapping], stopped: Mapping[str, str]
) -> Work:
    """The work that changes make. stopped: by source table, why its changes are refused."""
    work = Work([], [], [])
    for change in changes:
        table = change.table
        if table not in mappings:
            continue
        if table in stopped:
            work.refused.append((change, "stopped", "", stopped[table], _STOPPED))
            continue
        try:
            step = translate(change, mappings[table])
        except BadValueError as error:
            work.refused.append((change, "dead", error.sqlstate, str(error), _UNFIT))
            continue
        if step:
            work.steps.append(step)
        else:
            work.idle.append(change)
    return work
