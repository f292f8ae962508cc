"""What sync check found, as text for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from seqguard.render.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding: the source table or "", the key of the file within the table's section, and what is wrong."""

    table: str
    key: str
    text: str
    warning: bool

    @property
    def severity(self) -> str:
        """As both forms print it."""
        return "warning" if self.warning else "error"


def text(file: str, tables: int, found: Sequence[Shown]) -> str:
    """One line for each finding, errors and warnings in the order of the file, then how many."""
    lines = [_line(file, finding) for finding in found]
    warnings = sum(finding.warning for finding in found)
    counts = f"{_counted(len(found) - warnings, 'error')}, {_counted(warnings, 'warning')}"
    return "\n".join([*lines, f"{printable(file)}: {_counted(tables, 'table')}, {counts}."])


def as_json(file: str, found: Sequence[Shown]) -> str:
    """The same for programs."""
    listed = [{"severity": f.severity, "table": f.table, "key": f.key, "text": f.text} for f in found]
    return json.dumps({"file": file, "findings": listed}, indent=2, ensure_ascii=False)


def _line(file: str, finding: Shown) -> str:
    severity = click.style(finding.severity.ljust(7), fg="yellow" if finding.warning else "red")
    table = f"table {finding.table}: " if finding.table else ""
    return f"{severity}  {printable(f'{file}: {table}{finding.key}: {finding.text}')}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
