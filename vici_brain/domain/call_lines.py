"""A call row as one line of text that the dialer's database wrote itself, and that line as COPY of PostgreSQL takes it.

Belongs here: separators, whether lines can be told apart, and both ways out of them. Does not: the SQL that writes lines
(vici/call_reader), nor what a value may hold (domain/call_rows, to which :func:`fields` leads back).

A driver that makes an object of every value costs ten times what the wire does. A line is one value, and a page of them becomes COPY
text by a few replacements over the whole page.
"""

from collections.abc import Sequence

from vici_brain.domain.call_rows import COLUMNS

SEPARATOR = "\x1f"
NULL_MARK = "\x1eN\x1e"
"""A whole field of these three control characters is NULL; as part of a longer text they are text."""
_SEPARATOR, _NULL, _END = SEPARATOR.encode(), NULL_MARK.encode(), b"\x1d"
_WITHIN = len(COLUMNS) - 1
# The backslash first: the others bring new ones.
_ESCAPES = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"), (_SEPARATOR, b"\t"))


def can_be_told_apart(lines: Sequence[bytes]) -> bool:
    """Whether no value of ``lines`` holds what separates values or lines; else the page must be read value by value."""
    page = b"".join(lines)
    return _END not in page and page.count(_SEPARATOR) == _WITHIN * len(lines)


def copy_text(lines: Sequence[bytes], source_copy: str) -> bytes:
    """``lines`` as COPY text (NULL is :data:`NULL_MARK`), each with ``source_copy`` as one more column."""
    page = _END.join(lines)
    for raw, escaped in _ESCAPES:
        page = page.replace(raw, escaped)
    end = f"\t{source_copy}\n".encode()
    return page.replace(_END, end) + end if lines else b""


def fields(line: bytes) -> tuple[bytes | None, ...]:
    """The values of a line in the order of COLUMNS, as a careful reader would have got them."""
    return tuple(None if value == _NULL else value for value in line.split(_SEPARATOR))
