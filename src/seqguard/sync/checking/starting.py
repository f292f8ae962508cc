"""A first mapping file from the catalogs of both databases. What had to be guessed is a comment. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqguard.render.printable import printable
from seqguard.sync.checking.fitting import labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seqguard.sync.mapping.config import MySQL
    from seqguard.sync.mysql.client import SourceColumn
    from seqguard.sync.target.catalog import TargetTable

MARK_COLUMN, MARK = "source", "sync_service"
"""The column that tells where a row was written, and what stands in it in the rows that sync writes."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LITERAL = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tables that belong together. lists: what a CHECK lets into a column of the target, by its name."""

    source: str
    columns: Sequence[SourceColumn]
    target: TargetTable
    lists: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Ends:
    """Where both databases are."""

    name: str
    mysql: MySQL
    server_id: int
    conninfo: str


def matched(sources: Iterable[str], targets: Iterable[str]) -> dict[str, str]:
    """Target table by source table: the same name, or the same but for what all tables of a side begin with."""
    sources, targets = list(sources), list(targets)
    ours, theirs = _prefix(sources), _prefix(targets)
    short = {name.removeprefix(theirs): name for name in targets}
    found = {name: name for name in sources if name in targets}
    for name in sources:
        twin = short.get(name.removeprefix(ours))
        if name not in found and twin is not None and twin not in found.values():
            found[name] = twin
    return found


def _prefix(names: Sequence[str]) -> str:
    """What all of several names begin with, up to an underscore: `legacy_`."""
    first = names[0][: names[0].find("_") + 1] if len(names) > 1 else ""
    return first if all(name.startswith(first) for name in names) else ""


def check_list(definition: str) -> tuple[str, ...]:
    """The texts in a CHECK constraint: what `status IN ('active', 'inactive')` lets in."""
    return (
        tuple(text.replace("''", "'") for text in _LITERAL.findall(definition)) if "ANY" in definition else ()
    )


def starting_file(ends: Ends, pairs: Sequence[Pair], unmatched: Sequence[str]) -> str:
    """The text of the file. unmatched: source tables that no target table was found for."""
    sections = [_head(ends), *(_table(pair) for pair in pairs)]
    if unmatched:
        sections.append(["# No table of the target was found for these:"])
        sections[-1] += [f"# {printable(name)}" for name in unmatched]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _head(ends: Ends) -> list[str]:
    option_file = [f"option_file = {_text(ends.mysql.option_file)}"] if ends.mysql.option_file else []
    return [
        "# Lines that begin with # and a key are guesses: check them, take the # away, or leave the column out.",
        "# Then: seqguard sync check FILE",
        "",
        f"name = {_text(ends.name)}",
        "",
        "[source]",
        'kind = "binlog"',
        f"database = {_text(ends.mysql.database)}",
        *option_file,
        f"server_id = {ends.server_id}  # no other replica of the server may have it",
        "",
        "[target]",
        f"conninfo = {_text(ends.conninfo)}",
    ]


def _table(pair: Pair) -> list[str]:
    target = pair.target
    key = [column.name for column in sorted(pair.columns, key=lambda c: c.key) if column.key]
    named = _text(f"{_qualified(target.schema)}.{_qualified(target.name)}")
    lines = ["[[table]]", f"source = {_text(pair.source)}", f"target = {named}"]
    lines += [f"key = [{', '.join(map(_text, key))}]" if key else f'key = ["?"]  # {_NO_KEY}']
    return [*lines, *_columns(pair), *_mark(pair)]


_NO_KEY = "it has no primary key: name columns that are unique"


def _columns(pair: Pair) -> Iterator[str]:
    """Renames as guesses, and value maps. A column that both sides have needs no line."""
    targets = pair.target.columns
    names = {column.name for column in pair.columns}
    free = [name for name, column in targets.items() if name not in names and not column.computed]
    guesses: list[str | None] = []
    generated = [name for name, column in targets.items() if name in names and column.computed]
    if generated:
        yield f"leave_out = [{', '.join(map(_text, generated))}]  # the target generates it"
    for column in pair.columns:
        if column.name in generated:
            continue
        if column.name in targets:
            yield from _values(pair, column, column.name)
        else:
            guess = _guess(pair, column, free)
            yield f"# columns.{_key(column.name)} = {_text(guess or '?')}"
            yield from _values(pair, column, guess)
            guesses.append(guess)
    for name in free:
        if not targets[name].filled and name not in guesses:
            yield f"# {printable(name)} of the target is NOT NULL without a default: something must fill it"


def _guess(pair: Pair, column: SourceColumn, free: Sequence[str]) -> str | None:
    """The one free column that is meant, if just one is: by its letters, its words, or what may stand in it."""
    words, listed = _words(column.name), labels(column.type)
    letters = column.name.lower().replace("_", "")
    tiers = (
        [one for one in free if one.lower().replace("_", "") == letters],
        [one for one in free if words <= _words(one) or _words(one) <= words],
        [one for one in free if listed and all(_twin(label, _allowed(pair, one)) for label in listed)],
        [one for one in free if words & _words(one)],
    )
    return next((tier[0] for tier in tiers if len(tier) == 1), None)


def _words(name: str) -> set[str]:
    return set(name.lower().split("_"))


def _values(pair: Pair, column: SourceColumn, target: str | None) -> Iterator[str]:
    """A value map for an ENUM whose labels the target writes otherwise."""
    listed = labels(column.type)
    allowed = _allowed(pair, target) if target else ()
    becomes = {label: _twin(label, allowed) for label in listed}
    if allowed and any(label != twin for label, twin in becomes.items()):
        sure = target == column.name and all(becomes.values())
        inside = ", ".join(f"{_key(label)} = {_text(twin or '?')}" for label, twin in becomes.items())
        yield f"{'' if sure else '# '}values.{_key(column.name)} = {{ {inside} }}"


def _allowed(pair: Pair, target: str) -> Sequence[str]:
    column = pair.target.columns.get(target)
    return (column.labels if column else ()) or pair.lists.get(target, ())


def _twin(label: str, allowed: Sequence[str]) -> str | None:
    if label in allowed:
        return label
    return next((one for one in allowed if one.lower() == label.lower()), None)


def _mark(pair: Pair) -> Iterator[str]:
    """What keeps rows from going round between the two sides."""
    allowed = _allowed(pair, MARK_COLUMN)
    if MARK_COLUMN in pair.target.columns and (not allowed or MARK in allowed):
        yield f"constants.{MARK_COLUMN} = {_text(MARK)}  # rows that sync writes are marked ..."
    if any(column.name == MARK_COLUMN for column in pair.columns):
        yield f"ignore.{MARK_COLUMN} = [{_text(MARK)}]  # ... and rows so marked do not come back"


def _qualified(name: str) -> str:
    """A name as a part of target: in double quotes when it has a dot or a quote in it."""
    return '"{}"'.format(name.replace('"', '""')) if "." in name or '"' in name else name


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A text of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
