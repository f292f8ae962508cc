"""Text in the character sets of MySQL, as the server itself would convert it."""

from __future__ import annotations

import codecs
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# MySQL's latin1 is Windows-1252 that gives its five free places to the control characters.
_LATIN1 = "".join(
    chr(byte) if byte in {0x81, 0x8D, 0x8F, 0x90, 0x9D} else bytes([byte]).decode("cp1252")
    for byte in range(256)
)
_CODECS = {
    "ascii": "ascii", "utf8": "utf-8", "utf8mb3": "utf-8", "utf8mb4": "utf-8", "ucs2": "utf-16-be",
    "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be", "latin2": "iso8859-2",
    "latin5": "iso8859-9", "latin7": "iso8859-13", "greek": "iso8859-7", "hebrew": "iso8859-8",
    "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257", "cp850": "cp850",
    "cp852": "cp852", "cp866": "cp866", "koi8r": "koi8-r", "koi8u": "koi8-u", "macroman": "mac-roman",
    "macce": "mac-latin2", "tis620": "tis-620", "big5": "big5", "gb2312": "gb2312", "gbk": "gbk",
    "gb18030": "gb18030", "euckr": "euc-kr", "ujis": "euc-jp", "eucjpms": "euc-jp", "sjis": "shift-jis",
    "cp932": "cp932",
}  # fmt: skip


def decoder(charset: str) -> Callable[[bytes], str] | None:
    """What turns bytes in a MySQL character set into text; None when Python has no such character set."""
    if charset == "latin1":
        return lambda data: codecs.charmap_decode(data, "strict", _LATIN1)[0]
    codec = _CODECS.get(charset)
    return (
        None if codec is None else bytes.decode if codec == "utf-8" else partial(bytes.decode, encoding=codec)
    )
