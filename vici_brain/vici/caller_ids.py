"""The caller IDs of a part's calls, joined to its pages of lines here instead of looked up by the dialer call by call.

Belongs here: which statements a page needs, and putting their answers together. Does not: the statements
(caller_id_statements), nor pages that are read value by value, which bring their caller IDs along.

A caller ID costs the dialer 12 µs where it looks it up, and 4 where it writes both logs of the call's time as lines. What those
lines do not settle is looked up all the same, so that a page holds what it would have held otherwise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from operator import itemgetter, methodcaller
from string import ascii_uppercase, digits
from typing import cast

from sqlalchemy import Table

from vici_brain.domain import call_lines
from vici_brain.domain.call_rows import Raw
from vici_brain.vici.call_tables import Bounds, CallTable
from vici_brain.vici.caller_id_statements import VALUES, Pair, how_many, known_pairs, lines_between, of_keys, time_of
from vici_brain.vici.questions import Question

_Call = bytes
"""Uniqueid and lead as they stand in a line; a pair would be an object to Python's garbage collector, a million times."""
_Span = tuple[datetime, datetime]
_SEPARATOR, _END, _NONE = call_lines.SEPARATOR.encode(), call_lines.END.encode(), call_lines.NULL_MARK.encode()
_HEAD = methodcaller("split", _SEPARATOR, 3)
_CALL = itemgetter(slice(1, 3))
# Up to so many calls it is cheaper to look them up than to read what was logged ten minutes before and after them.
_FEW = 500
# A line of these logs costs the dialer a quarter of what a call's does.
_PAGES = 4
# Letters that every collation tells apart, and sorts like this: where a code holds others, the dialer has to compare.
_PLAIN = b"+" + (digits + ascii_uppercase).encode()


@dataclass(frozen=True, slots=True)
class Part:
    """Whose caller IDs are asked for: the outbound calls of ``bounds``, on a dialer that has the tables ``present``."""

    table: CallTable
    present: frozenset[str]
    bounds: Bounds
    archive: bool


@dataclass(frozen=True, slots=True)
class _Counts:
    """How much of a span a pair holds; ``orders`` counts as none where the pair can give no caller ID."""

    extended: int
    orders: int


_Piece = tuple[_Span, Sequence[_Counts]]


class CallerIds:
    """The caller IDs of one part; reads the logs once, if a page has more than a few calls."""

    def __init__(self, part: Part, fetch: Callable[[Question], Sequence[Sequence[Raw]]], page_rows: int) -> None:
        self._part, self._fetch, self._most = part, fetch, page_rows * _PAGES
        self._pairs = known_pairs(part.present)
        self._settled: Mapping[_Call, bytes] | None = None
        self._has_any = True

    def completed(self, page: bytes, count: int) -> bytes | None:
        """``page`` of ``count`` lines with a caller ID behind each; ``None`` if that takes reading it value by value."""
        if self._settled is None and count > _FEW:
            self._settled = self._read()
        lines = call_lines.lines(page)
        cids = self._of_calls(lines) if self._has_any else [_NONE] * count
        return None if cids is None else _END.join(map(_SEPARATOR.join, zip(lines, cids, strict=True)))

    def _of_calls(self, lines: Sequence[bytes]) -> Sequence[bytes] | None:
        calls = list(map(_SEPARATOR.join, map(_CALL, map(_HEAD, lines))))
        found = list(map((self._settled or {}).get, calls))
        if None not in found:
            return cast("list[bytes]", found)
        looked_up = self._looked_up([_uniqueid(call) for call, cid in zip(calls, found, strict=True) if cid is None])
        if looked_up is None:
            return None
        return [looked_up[_uniqueid(call)] if cid is None else cid for call, cid in zip(calls, found, strict=True)]

    def _looked_up(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes] | None:
        """By key; ``None`` if a key or a caller ID is no plain text, or a call is gone since its page was read."""
        found: dict[bytes, bytes] = {}
        if not all(map(bytes.isascii, keys)):
            return None
        part = self._part
        for at in range(0, len(keys), _FEW):
            some = [key.decode() for key in keys[at : at + _FEW]]
            for key, cid in self._fetch(of_keys(part.table, part.present, part.bounds, some, archive=part.archive)):
                shown = "" if cid is None else str(cid)
                if not (shown.isascii() and shown.isprintable()):
                    return None
                found[str(key).encode(errors="replace")] = _NONE if cid is None else shown.encode()
        return found if found.keys() >= set(keys) else None

    def _read(self) -> Mapping[_Call, bytes]:
        """What the logs settle; where they can say nothing about any call, no call is looked up either."""
        pieces = self._pieces(time_of(self._part.bounds))
        telling = [n for n in range(len(self._pairs)) if any(counts[n].orders for _, counts in pieces)]
        self._has_any = bool(telling)
        settled: list[dict[_Call, bytes]] = []
        for n in telling:
            found = self._joined(self._pairs[n], [(span, counts[n]) for span, counts in pieces])
            if found is None:
                return {}
            settled.append(found)
        return _first_that_gives(settled)

    def _pieces(self, span: _Span) -> list[_Piece]:
        """``span`` cut so that no statement reads much, with what each pair has of each piece."""
        (row,) = self._fetch(how_many(self._pairs, span))
        numbers = [int(str(number)) for number in row]
        counts = [_Counts(numbers[at], numbers[at + 1] * numbers[at + 2]) for at in range(0, len(numbers), 3)]
        first, beyond = span
        if max(max(one.extended, one.orders) for one in counts) <= self._most or beyond - first < timedelta(seconds=2):
            return [(span, counts)]
        middle = (first + (beyond - first) / 2).replace(microsecond=0)
        return [*self._pieces((first, middle)), *self._pieces((middle, beyond))]

    def _joined(self, pair: Pair, pieces: Sequence[tuple[_Span, _Counts]]) -> dict[_Call, bytes] | None:
        """The caller ID of each call that the extended log has; ``None`` where bytes do not decide what is equal or newest."""
        # In this order: whatever code was logged by the first read, its dial order is there by the second.
        extended = self._lines(pair[0], ((span, counts.extended) for span, counts in pieces))
        orders = self._lines(pair[1], ((span, counts.orders) for span, counts in pieces))
        if extended is None or orders is None:
            return None
        _, cids, codes = _columns(sorted(orders))
        uniqueids, leads, codes_of_calls = _columns(extended)
        calls = map(_SEPARATOR.join, zip(uniqueids, leads, strict=True))
        newest = dict(zip(codes, cids, strict=True))
        if not (_is_plain(codes) and _is_plain(codes_of_calls) and (len(newest) == len(codes) or _is_plain(cids))):
            return None
        return dict(zip(calls, map(newest.get, codes_of_calls, repeat(_NONE)), strict=True))

    def _lines(self, table: Table, pieces: Iterable[tuple[_Span, int]]) -> list[bytes] | None:
        """All lines of the pieces that have any; ``None`` if some were cut short, hold separators or are gone since counted."""
        found: list[bytes] = []
        for span, counted in pieces:
            if counted:
                ((count, text),) = self._fetch(lines_between(table, span))
                number = int(str(count))
                if number < counted or not isinstance(text, bytes) or not call_lines.holds(text, number, VALUES):
                    return None
                found += call_lines.lines(text)
        return found


def _uniqueid(call: _Call) -> bytes:
    return call[: call.index(_SEPARATOR)]


def _columns(lines: Sequence[bytes]) -> tuple[list[bytes], ...]:
    values = _SEPARATOR.join(lines).split(_SEPARATOR) if lines else []
    return tuple(values[n::VALUES] for n in range(VALUES))


def _is_plain(texts: Iterable[bytes]) -> bool:
    return not b"".join(texts).translate(None, _PLAIN)


def _first_that_gives(settled: Sequence[Mapping[_Call, bytes]]) -> Mapping[_Call, bytes]:
    """One mapping for all pairs; a call that an earlier pair does not settle is not settled, whatever a later one says."""
    known = settled[-1] if settled else {}
    for earlier in reversed(settled[:-1]):
        known = {call: known[call] if cid == _NONE else cid for call, cid in earlier.items() if cid != _NONE or call in known}
    return known
