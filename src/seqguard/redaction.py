"""Why a connection failed, without the password that a malformed connection string would give away. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

URI = re.compile(r"postgres(?:ql)?://")
_IN_URI = re.compile(r"://\S*@")
_WRITTEN = re.compile(r"(password\s*=\s*)('[^']*'|[^\s']+)", re.IGNORECASE)
_MAY_HOLD_PASSWORD = re.compile(r"pass|pwd|secret|@|://", re.IGNORECASE)
_MISREAD_URI = (
    'a URI with an "@", "/" or ":" in a wrong place: percent-encode those in the password,'
    " or leave it to PGPASSWORD or ~/.pgpass"
)


def without_password(message: str, conninfo: str, parsed: Mapping[str, object] | None) -> str:
    """The driver's message, unless what it quotes may be part of a password.

    parsed is what libpq reads in conninfo, None when it cannot read it.
    """
    if parsed is None:
        return _unquoted(message) if _MAY_HOLD_PASSWORD.search(conninfo) else message
    if URI.match(conninfo) and _is_misread(parsed):
        return _MISREAD_URI
    return _masked(message, {name: str(value) for name, value in parsed.items()})


def masked(message: str) -> str:
    """A message without the password of a connection string that stands in it, given where none belongs, say."""
    return _WRITTEN.sub(r"\1***", _IN_URI.sub("://***@", message))


def _unquoted(message: str) -> str:
    """Without what libpq quotes of the string. A quote may hold quotes: cut from the first to the last."""
    if message.startswith('missing "="'):
        return 'missing "=" in the connection string: quote a value that holds a space'
    return re.sub(r'".*"', '"..."', message, flags=re.DOTALL)


def _is_misread(parsed: Mapping[str, object]) -> bool:
    """Whether libpq took a part of the password for something else: its first "@" or "/" ends it."""
    elsewhere = "".join(str(parsed.get(name, "")) for name in ("host", "dbname"))
    return "@" in elsewhere or not re.fullmatch("[0-9,]*", str(parsed.get("port", "")))


def _masked(message: str, parsed: Mapping[str, str]) -> str:
    """With the password masked, but not where the same word is the user, host or database."""
    password = parsed.get("password")
    if not password or password in [value for name, value in parsed.items() if name != "password"]:
        return message
    return re.sub(rf"(?<!\w){re.escape(password)}(?!\w)", "***", message)
