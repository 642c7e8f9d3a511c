"""Rows of a CSV file as leads, whatever its encoding and size.

Belongs here: text to rows, and rejects. Does not: the encoding (file_encoding), what a row means (domain/lead_files), or what
becomes of it (import_csv).

A row that cannot be used is written to FILE.rejects.csv with its line and reason, and the rest goes on.
"""

import csv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from vici_brain.domain.lead_files import FileLead, Header
from vici_brain.errors import ConfigurationError
from vici_brain.flows.file_encoding import encoding_of, errors_of, known_encoding

_LONGEST_FIELD = 1 << 16


class CsvLeads:
    """A file's rows as leads; bad ones go to FILE.rejects.csv, which is there only if there are any.

    ``encoding`` is found out unless it is given; ``columns`` says of header names which field they are.
    """

    def __init__(self, path: Path, encoding: str | None = None, columns: Mapping[str, str] | None = None) -> None:
        self.path, self.rejects_path = path, path.with_name(f"{path.name}.rejects.csv")
        try:
            self.encoding = encoding_of(path) if encoding is None else _named(encoding)
            with self._open() as file:
                self._dialect = _dialect(file.read(1 << 16))
                file.seek(0)
                first = next(csv.reader(file, self._dialect), [])
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
        except csv.Error as error:
            raise ConfigurationError(f"{path}: the first line is no header: {error}") from None
        try:
            self.header = Header.of(first, columns or {})
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None
        self.rows = self.rejected = self.position = 0
        self._file: IO[str] | None = None
        self._rejects: Any = None
        self._closing = ExitStack()
        self._keep_rejects = False

    def opened(self, *, keep_rejects: bool) -> ExitStack:
        """Opens the file; leave the block and it is closed. An older file of rejects is removed."""
        self._keep_rejects = keep_rejects
        if keep_rejects:
            self.rejects_path.unlink(missing_ok=True)
        self._file = self._closing.enter_context(self._open())
        return self._closing

    def _open(self) -> IO[str]:
        return self.path.open(encoding=self.encoding, errors=errors_of(self.encoding), newline="")

    def batches(self, size: int) -> Iterator[list[FileLead]]:
        batch: list[FileLead] = []
        for lead in self._leads():
            batch.append(lead)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _leads(self) -> Iterator[FileLead]:
        assert self._file is not None  # noqa: S101 - opened() comes first
        # A quote that is never closed would swallow the rest of the file; so it takes a page of it with it at most.
        csv.field_size_limit(_LONGEST_FIELD)
        rows = csv.reader(self._file, self._dialect)
        next(rows, None)
        while True:
            line = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                self.position = self._file.buffer.tell()  # type: ignore[attr-defined]
                return
            except csv.Error as error:
                self._reject(line, f"from here to line {rows.line_num} no row: {error}", [])
                continue
            if not any(value.strip() for value in row):
                continue
            self.rows += 1
            if self.rows % 1_000 == 0:
                self.position = self._file.buffer.tell()  # type: ignore[attr-defined]
            try:
                yield self.header.read(row, line)
            except ValueError as error:
                self.rows -= 1
                self._reject(line, str(error), row)

    def _reject(self, line: int, reason: str, row: list[str]) -> None:
        self.rows += 1
        self.rejected += 1
        if not self._keep_rejects:
            return
        if self._rejects is None:
            file = self._closing.enter_context(
                self.rejects_path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            )
            self._rejects = csv.writer(file)
            self._rejects.writerow(["line", "reason", "row"])
        self._rejects.writerow([line, reason, *row])


def _named(encoding: str) -> str:
    found = known_encoding(encoding)
    if found is None:
        raise ConfigurationError(f"{encoding!r} is no encoding: write utf-8, cp1252, utf-16 or another that Python knows")
    return found


def _dialect(sample: str) -> type[csv.Dialect]:
    """Comma, semicolon, tab or pipe: that which the first line has most of."""
    first = sample.split("\n", 1)[0]

    class Found(csv.excel):
        delimiter = max(",;\t|", key=lambda each: (first.count(each), each == ","))

    return Found
