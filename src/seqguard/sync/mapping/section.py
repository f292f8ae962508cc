"""One section of a mapping file, read key by key. Problems are collected, each with its file, table and key."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqguard.errors import SeqguardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seqguard.sync.event import Value

_SCALARS = (str, bool, int, Decimal, date)
_TYPES = {
    bool: "a boolean",
    str: "a text",
    int: "a number",
    Decimal: "a number",
    list: "an array",
    dict: "a table of keys",
}
NULL = "null"
"""What stands for NULL where a list of values could stand: TOML has none."""


class ConfigError(SeqguardError):
    """What is wrong in a mapping file: every problem on a line of its own."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self._problems = tuple(problems)

    @property
    def lines(self) -> tuple[str, ...]:
        """The problems."""
        return self._problems


class Section:
    """The keys of one section, and where it stands: `file: table users: values.status: `."""

    def __init__(
        self, content: Mapping[str, Any], place: str, allowed: Sequence[str] | None = None,
        problems: list[str] | None = None, prefix: str = "",
    ) -> None:  # fmt: skip
        self._content = content
        self._place = place
        self._prefix = prefix
        self._problems = [] if problems is None else problems
        if allowed is not None:
            self.allow(allowed)

    def allow(self, allowed: Sequence[str]) -> None:
        """Any other key is a problem."""
        for key in self._content:
            if key not in allowed:
                near = get_close_matches(key, allowed, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(allowed)}"
                self.problem(key, f"unknown key; {hint}")

    def problem(self, key: str, text: str) -> None:
        """Note what is wrong with a key."""
        self._problems.append(f"{self._place}: {self._prefix}{key}: {text}")

    def finish(self) -> None:
        """Raise ConfigError if anything was wrong, here or in a section below."""
        if self._problems:
            raise ConfigError(self._problems)

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def has(self, key: str) -> bool:
        """Whether a key is there."""
        return key in self._content

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without default it must be there, and not be empty."""
        found = self._one(key, str, default)
        if found == "" and default is None and self.has(key):
            self.problem(key, "is empty")
        return found or ""

    def integer(self, key: str, low: int, high: int) -> int:
        """A number within bounds; it must be there."""
        found = self._one(key, int, None)
        if found is not None and not low <= found <= high:
            self.problem(key, f"{found} is not between {low} and {high}")
        return found or low

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of some words."""
        found = self.text(key, default)
        if self.has(key) and found and found not in choices:
            self.problem(key, f"{found!r} is neither {' nor '.join(map(repr, choices))}")
            return choices[0]
        return found or (choices[0] if default is None else default)

    def path_or_none(self, key: str) -> str | None:
        """A path, ~ being the home folder, and the file's folder the start of a relative one."""
        found = self.text(key, "")
        return str(Path(self._place).parent / Path(found).expanduser()) if found else None

    def names(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """An array of names, each once; without default it must be there, and not be empty."""
        found = self._one(key, list, default)
        if found is None:
            return ()
        if not all(isinstance(name, str) and name for name in found):
            self.problem(key, "expected an array of names")
            return ()
        if default is None and not found:
            self.problem(key, "names no column")
        if len(set(found)) < len(found):
            self.problem(key, "names a column twice")
        return tuple(found)

    def texts(self, key: str) -> dict[str, str]:
        """A table of texts; empty when it is not there."""
        below = self.open(key)
        return {name: below.text(name) for name in below}

    def section(self, key: str, allowed: Sequence[str] | None = None) -> Section:
        """A section below this one; it must be there."""
        return self._below(key, self._one(key, dict, None) or {}, allowed if self.has(key) else None)

    def open(self, key: str) -> Section:
        """A section whose keys are the user's own names; empty when it is not there."""
        return self._below(key, self._one(key, dict, {}) or {})

    def tables(self, key: str) -> dict[str, Section]:
        """Sections by the user's own names."""
        outer = self.open(key)
        return {name: outer.open(name) for name in outer}

    def sections(self, key: str, allowed: Sequence[str], label: str) -> list[Section]:
        """An array of sections, each told in messages by what it has for label."""
        found = self._one(key, list, None)
        if found == [] or not all(isinstance(content, dict) for content in found or []):
            self.problem(key, f"write [[{key}]] once for each table")
            return []
        places = (
            f"{self._place}: {key} {c.get(label, number)}" for number, c in enumerate(found or [], start=1)
        )
        return [
            Section(c, place, allowed, self._problems) for c, place in zip(found or [], places, strict=True)
        ]

    def scalar(self, key: str) -> Value:
        """A text, number, boolean, date or date with time."""
        return self._scalar(key, self._content[key])

    def filter(self, key: str) -> frozenset[Value]:
        """An array of values, or "null"."""
        found = self._content[key]
        if found == NULL:
            return frozenset({None})
        if not isinstance(found, list) or not found:
            self.problem(key, f'expected an array of values such as ["a", "b"], or "{NULL}"')
            return frozenset()
        return frozenset(self._scalar(key, value) for value in found)

    def _scalar(self, key: str, found: Any) -> Value:
        if isinstance(found, _SCALARS):
            return found
        self.problem(key, f"expected a text, number, boolean or date, got {_named(found)}")
        return None

    def _one(self, key: str, kind: type, default: Any) -> Any:
        """A value of a type; None when it is wrong or missing, which is told."""
        if key not in self._content:
            if default is None:
                self.problem(key, "is missing")
            return default
        found = self._content[key]
        if isinstance(found, kind) and not (kind is int and isinstance(found, bool)):
            return found
        self.problem(key, f"expected {_TYPES[kind]}, got {_named(found)}")
        return None

    def _below(self, key: str, content: Mapping[str, Any], allowed: Sequence[str] | None = None) -> Section:
        return Section(content, self._place, allowed, self._problems, f"{self._prefix}{key}.")


def _named(found: Any) -> str:
    """A value of TOML for a message, by its type."""
    return next((name for kind, name in _TYPES.items() if isinstance(found, kind)), "a date or time")
