"""The encoding of a text file, found from all of its bytes.

Belongs here: bytes to the name of an encoding. Does not: lines or columns (csv_leads).

A beginning says too little: the first accented name of a million may stand at the end, and an encoding that is guessed from ASCII
alone rejects every such row. So the whole file is looked through once, a piece at a time.
"""

import codecs
import re
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

_PIECE = 1 << 20
_ENOUGH = 1 << 18
_BROKEN = re.compile("[\udc80-\udcff]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # The longer ones first: a UTF-32 file begins as a UTF-16 file does.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNREADABLE = "vici-brain-unreadable"
"""Error handler: what an encoding has not becomes a lone surrogate, which no text has, so that its row can be told."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(UNREADABLE, _mark)


def encoding_of(path: Path) -> str:
    """By its mark; else UTF-8 where more of the characters beyond ASCII are so than not; else what those bytes look like."""
    with path.open("rb") as file:
        head = file.read(_PIECE)
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if (wide := _wide(head)) is not None:
        return wide
    whole, broken, odd = _looked_through(path)
    # A few bad bytes in a file of UTF-8 are its rows' fault; a file without one good character beyond ASCII is in something else.
    return "utf-8-sig" if whole >= broken else _eight_bits(odd)


def errors_of(encoding: str) -> str:
    """UTF-8 keeps the byte, to be shown among the rejects; other decoders cannot give back what they did not understand."""
    return "surrogateescape" if encoding == "utf-8-sig" else UNREADABLE


def known_encoding(name: str) -> str | None:
    """``name`` as Python knows it, if it is an encoding of text at all."""
    try:
        found = codecs.lookup(name)
        # Refuses what turns bytes into bytes, like base64.
        TextIOWrapper(BytesIO(), encoding=found.name).close()
    except LookupError:
        return None
    return "utf-8-sig" if found.name == "utf-8" else found.name


def _wide(head: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of mostly Latin text is zero."""
    half = len(head) // 2
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half and head[first::2].count(0) > half // 2 and head[1 - first :: 2].count(0) < half // 4:
            return name
    return None


def _looked_through(path: Path) -> tuple[int, int, bytes]:
    """Characters beyond ASCII that are UTF-8, bytes that are not, and the lines in which such stand, up to a limit."""
    whole = broken = 0
    odd = b""
    for lines in _pieces(path):
        if lines.isascii():
            continue
        text = lines.decode("utf-8", "surrogateescape")
        bad = len(_BROKEN.findall(text))
        whole += len(text) - len(text.encode("ascii", "ignore")) - bad
        broken += bad
        if bad and len(odd) < _ENOUGH:
            odd += b"\n".join(line for line in lines.splitlines() if not line.isascii())[: _ENOUGH - len(odd)]
    return whole, broken, odd


def _pieces(path: Path) -> Iterator[bytes]:
    """The file in pieces that end where a line does, so that no character is cut in two."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece + file.readline(_PIECE)


def _eight_bits(odd: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - costs what a file in UTF-8 should not pay

    best = from_bytes(odd, cp_isolation=["cp1252", "latin_1", "cp1250", "cp1251", "mac_roman"]).best()
    # Where several say the same of this file, the one that American and West European programs write.
    return "cp1252" if best is None or "cp1252" in best.could_be_from_charset else best.encoding
