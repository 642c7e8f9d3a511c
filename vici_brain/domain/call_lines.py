"""A call row as one line of text that the dialer's database wrote itself, and that line as COPY of PostgreSQL takes it.

Belongs here: separators, whether lines can be told apart, and both ways out of them. Does not: the SQL that writes lines
(vici/call_reader), nor what a value may hold (domain/call_rows, to which :func:`fields` leads back).

A driver that makes an object of every value costs ten times what the wire does. A whole page is one value here, and becomes
COPY text by a few replacements.
"""

from collections.abc import Sequence

from vici_brain.domain.call_rows import COLUMNS

SEPARATOR, END = "\x1f", "\x1d"
NULL_MARK = "\x1eN\x1e"
"""A whole field of these three control characters is NULL; as part of a longer text they are text."""
_SEPARATOR, _NULL, _END = SEPARATOR.encode(), NULL_MARK.encode(), END.encode()
# The backslash first: the others bring new ones.
_ESCAPES = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"), (_SEPARATOR, b"\t"))


def holds(page: bytes, lines: int, values: int = len(COLUMNS)) -> bool:
    """Whether ``page`` is ``lines`` whole lines of so many ``values``.

    It is not if it was cut short, or if a value holds what separates values or lines.
    """
    return page.count(_END) == lines - 1 and page.count(_SEPARATOR) == (values - 1) * lines


def copy_text(page: bytes, source_copy: str) -> bytes:
    """``page`` as COPY text (NULL is :data:`NULL_MARK`), each line with ``source_copy`` as one more column."""
    for raw, escaped in _ESCAPES:
        page = page.replace(raw, escaped)
    end = f"\t{source_copy}\n".encode()
    return page.replace(_END, end) + end


def last_line(page: bytes) -> bytes:
    return page[page.rfind(_END) + 1 :]


def lines(page: bytes) -> Sequence[bytes]:
    return page.split(_END)


def fields(line: bytes) -> tuple[bytes | None, ...]:
    """The values of a line in the order of COLUMNS, as a careful reader would have got them."""
    return tuple(None if value == _NULL else value for value in line.split(_SEPARATOR))
