"""Where a reader of the binlog stands. No I/O.

An offset names the beginning of a transaction, by file and position and by GTIDs where there are some, and inside a
transaction the row event, by the position behind it, and how many of its rows are done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymysqlreplication.gtid import Gtid, GtidSet

if TYPE_CHECKING:
    from seqguard.sync.event import Offset


class Gtids:
    """The GTIDs that have been read. On MariaDB the last one of each domain, else a set of ranges."""

    def __init__(self, text: str, *, is_mariadb: bool) -> None:
        listed = [gtid.strip() for gtid in text.split(",") if gtid.strip()]
        self._domains = {gtid.partition("-")[0]: gtid for gtid in listed} if is_mariadb else None
        self._ranges = None if is_mariadb else GtidSet(text)

    def add(self, gtid: str) -> None:
        """A transaction has been read."""
        if self._domains is not None:
            self._domains[gtid.partition("-")[0]] = gtid
        elif self._ranges is not None:
            self._ranges.merge_gtid(Gtid(gtid))

    def __str__(self) -> str:
        return str(self._ranges) if self._domains is None else ",".join(self._domains.values())


class Place:
    """The beginning of the current transaction, and what of it is to be passed over after a restart."""

    def __init__(self, offset: Offset, server_id: int, *, is_mariadb: bool) -> None:
        self._server_id = server_id
        self.file, self.pos = str(offset["file"]), int(str(offset["pos"]))
        self.gtids = Gtids(str(offset.get("gtid", "")), is_mariadb=is_mariadb)
        self._gtid: str | None = None
        self.in_transaction = False
        self._base: dict[str, Any] = {}
        self._settle()
        # what another server calls a position is another one: there the whole transaction comes again, harmlessly
        same = offset.get("server_id") == server_id and "event" in offset
        self._skip = (self.file, int(str(offset["event"])), int(str(offset["row"]))) if same else None

    def _settle(self) -> None:
        gtids = str(self.gtids)
        self._base = {"server_id": self._server_id, "file": self.file, "pos": self.pos}
        if gtids:
            self._base["gtid"] = gtids

    @property
    def offset(self) -> Offset:
        """The beginning of the current transaction, or the end of the last one."""
        return self._base

    def inside(self, event: int, row: int) -> Offset:
        """Behind so many rows of the row event that ends at a position."""
        return {**self._base, "event": event, "row": row}

    def rotated(self, file: str, pos: int) -> None:
        """Reading goes on in another file, or begins: by GTIDs at the beginning of the file that they are in."""
        if file != self.file or pos > self.pos:
            self.file, self.pos = file, pos
            self._settle()

    def identified(self, gtid: str) -> None:
        """A transaction begins, and this is its GTID."""
        self._gtid = gtid

    def ended(self, pos: int) -> None:
        """A transaction ends at a position, or nothing was there up to it."""
        if self._gtid is not None:
            self.gtids.add(self._gtid)
            self._gtid = None
        self.in_transaction, self.pos = False, pos
        self._settle()

    def done_rows(self, event: int) -> int | None:
        """How many rows of the row event that ends at a position are done already; None for all of them."""
        if self._skip is None:
            return 0
        file, last, rows = self._skip
        if file == self.file and event < last:
            return None
        self._skip = None
        return rows if (file, last) == (self.file, event) else 0
