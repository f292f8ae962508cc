"""The letters of one transaction: those that were stored for the rows at hand, and those that come up. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seqguard.sync.event import Change, Position
from seqguard.sync.failure import BadValueError
from seqguard.sync.mapping.step import Delete, Rekey, Truncate, Upsert
from seqguard.sync.mapping.translating import translate
from seqguard.sync.writing.letters import Letter, key_text, read_key

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from seqguard.sync.event import Row
    from seqguard.sync.mapping.step import Key, Step
    from seqguard.sync.mapping.table import TableMapping
    from seqguard.sync.writing.letters import State

    Place = tuple[str, str]
    """A source table and a key in it."""


class Pending:
    """At most one letter for each row. order tells which of two changes of a row is the later one."""

    def __init__(self, mappings: Mapping[str, TableMapping], changes: Sequence[Change]) -> None:
        self._mappings = mappings
        self._changes = changes
        self._order: dict[int, int] = {}
        self._letters: dict[Place, tuple[int, Letter]] = {}
        self._replaced: list[int] = []
        self._untouched: set[int | None] = set()
        self._paid: set[int | None] = set()

    @property
    def letters(self) -> list[Letter]:
        """Every letter that there is at the end."""
        return [letter for _, letter in self._letters.values()]

    @property
    def changed(self) -> list[Letter]:
        """Letters that are new, or that were tried again in vain."""
        return [letter for letter in self.letters if letter.id not in self._untouched]

    @property
    def replaced(self) -> list[int]:
        """Stored letters that are no more."""
        return self._replaced

    def load(self, letter: Letter) -> None:
        """A letter that is stored, older than every change; unless it is one of them, tried again."""
        place = (letter.change.table, letter.key)
        self._letters[place] = (self._place_of(letter.change), letter)
        self._untouched.add(letter.id)

    def keep(self, ids: Container[int | None]) -> None:
        """These letters stay as they are stored where they still wait: nothing is learnt of them."""
        for _, letter in self._letters.values():
            if letter.id in ids and letter.state == "waiting" and letter.id not in self._paid:
                self._untouched.add(letter.id)

    def add(self, change: Change, state: State, sqlstate: str, error: str, detail: str) -> None:
        """A change that could not be applied takes the place of what was there for its row."""
        key, old_key = keys_of(change, self._mappings[change.table])
        index = self._place_of(change)
        letter = Letter(change, key, old_key, state, sqlstate, error, detail)
        before, was = self._letters.get((change.table, key), (-2, None))
        if before > index:
            return
        if was and before == index:
            letter = replace(letter, id=was.id, old_key=was.old_key)
            self._letters[change.table, key] = (index, letter)
            self._untouched.discard(was.id)
            return
        stands_as = self._stands_as(change.table, (key, old_key))
        self._remove(change.table, (key, old_key), index)
        self._letters[change.table, key] = (index, replace(letter, old_key=stands_as or old_key))

    def waiting(self, steps: Iterable[Step]) -> list[Step]:
        """The steps whose changes have become letters now that wait for another row."""
        places = {index for index, letter in self._letters.values() if letter.state == "waiting"}
        return [step for step in steps if self._place_of(step.change) in places] if places else []

    def _stands_as(self, table: str, keys: Iterable[str | None]) -> str | None:
        """The key that a row still has in the target, because a change of its key was not applied."""
        found = (self._letters.get((table, key)) for key in keys if key is not None)
        return next((one[1].old_key for one in found if one and one[1].old_key), None)

    def adopting(self, steps: Sequence[Step]) -> Sequence[Step]:
        """The steps, with the changes of keys that earlier letters owe: each change carries the whole row."""
        if not self._letters:
            return steps
        touched: set[Place] = set()
        return [found for step in steps for found in self._adopting(step, touched)]

    def _adopting(self, step: Step, touched: set[Place]) -> list[Step]:
        table, mapping = step.change.table, step.table
        if isinstance(step, Truncate):
            return [step]
        places = [(table, key) for key in keys_of(step.change, mapping) if key is not None]
        index, letter = next((self._letters[p] for p in places if p in self._letters), (-1, None))
        fresh = touched.isdisjoint(places)
        touched.update(places)
        if letter is None or not fresh or index > self._place_of(step.change):
            return [step]
        if letter.old_key is None:
            return [_here(step)] if index == self._place_of(step.change) else [step]
        if (table, letter.old_key) in touched - set(places):
            return [step]
        old_key = _target_key(letter.old_key, mapping)
        return _from(old_key, step) if old_key else [step]

    def applied(self, changes: Iterable[Change]) -> None:
        """These changes are applied: older letters of their rows are no more."""
        if not self._letters:
            return
        owed = any(letter.old_key for _, letter in self._letters.values())
        for change in changes:
            if change.before is None and change.after is None:
                self._remove_table(change.table, self._place_of(change))
            else:
                keys = keys_of(change, self._mappings[change.table])
                self._remove(change.table, keys, self._place_of(change))
                if owed:
                    self._gone_or_new(change.table, keys, self._place_of(change))

    def _gone_or_new(self, table: str, keys: Iterable[str | None], index: int) -> None:
        """What stands under these keys is no longer the row of an earlier letter."""
        for place, (older, letter) in self._letters.items():
            if place[0] == table and letter.old_key in keys and letter.old_key and older <= index:
                self._letters[place] = (older, replace(letter, old_key=None))
                self._untouched.discard(letter.id)
                self._paid.add(letter.id)

    def _remove(self, table: str, keys: Iterable[str | None], index: int) -> None:
        for key in keys:
            if key is not None and (table, key) in self._letters and self._letters[table, key][0] <= index:
                self._drop((table, key))

    def _remove_table(self, table: str, index: int) -> None:
        for place in [p for p, (older, _) in self._letters.items() if p[0] == table and older <= index]:
            self._drop(place)

    def _drop(self, place: Place) -> None:
        _, letter = self._letters.pop(place)
        if letter.id is not None:
            self._replaced.append(letter.id)

    def _place_of(self, change: Change) -> int:
        if not self._order:
            self._order = {id(change): index for index, change in enumerate(self._changes)}
        return self._order.get(id(change), -1)


def _here(step: Step) -> Step:
    """A change of the key whose old row is another's by now."""
    return Upsert(step.table, step.key, step.row, step.change) if isinstance(step, Rekey) else step


def _from(old_key: Key, step: Upsert | Delete | Rekey) -> list[Step]:
    """The step for a row that still has another key in the target."""
    if isinstance(step, Delete):
        return [Delete(step.table, old_key, step.change), step]
    if step.key == old_key:
        return [_here(step)]
    return [Rekey(step.table, old_key, step.key, step.row, step.change)]


def _target_key(key: str, mapping: TableMapping) -> Key | None:
    row = dict(zip(mapping.key, read_key(key), strict=True))
    try:
        step = translate(Change(mapping.source, row, None, Position("", {})), mapping)
    except BadValueError:
        return None
    return step.key if isinstance(step, Delete) else None


def keys_of(change: Change, mapping: TableMapping) -> tuple[str, str | None]:
    """The row that a change is of, and which it was before where its key has changed."""
    old = None if change.before is None else _key(change.before, mapping)
    new = old if change.after is None else _key(change.after, mapping)
    return new or "[]", None if old == new else old


def _key(row: Row, mapping: TableMapping) -> str:
    return key_text(tuple(row.get(name) for name in mapping.key))
