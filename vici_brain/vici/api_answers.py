"""What the Non-Agent API says, taken apart: status 200 always, lines of text, several shapes.

Belongs here: parsing and the meaning of the words. Does not: asking (api_writer). No text leaves here unscrubbed: the answer to a
failed login repeats the password.
"""

import re
from dataclasses import dataclass
from typing import Literal, cast

from vici_brain.errors import scrub

Kind = Literal["SUCCESS", "NOTICE", "ERROR", "ROW"]
_LINE = re.compile(r"^(SUCCESS|NOTICE|ERROR): (.*?)(?: - |: )(.*)$")
_BARE = re.compile(r"^(SUCCESS|NOTICE|ERROR): (.*)$")
_LOGIN = ("Login incorrect", "Too many login attempts")
_RIGHTS = ("PERMISSION", "IP Address is not allowed", "NOT ALLOWED", "INVALID SOURCE", "Invalid Source")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``reason`` without data, ``fields`` the data between the bars; a bare row of data has neither kind nor reason."""

    kind: Kind
    reason: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """All lines of an answer; ``said`` is the first, scrubbed, for people."""

    lines: tuple[Line, ...]
    said: str

    @property
    def success(self) -> Line | None:
        return next((line for line in self.lines if line.kind == "SUCCESS"), None)

    @property
    def rows(self) -> tuple[str, ...]:
        """Bare lines of data."""
        return tuple("|".join(line.fields) for line in self.lines if line.kind == "ROW")

    def tells(self, *words: str) -> Line | None:
        """The first line, not a bare one, whose reason holds one of ``words``."""
        lines = (line for line in self.lines if line.kind != "ROW")
        return next((line for line in lines if any(word in line.reason for word in words)), None)

    @property
    def refuses_login(self) -> bool:
        return self.tells(*_LOGIN) is not None

    @property
    def locks_out(self) -> bool:
        return self.tells("Too many login attempts") is not None

    @property
    def refuses_right(self) -> bool:
        return any(line.kind == "ERROR" for line in self.lines) and self.tells(*_RIGHTS) is not None


def parse(body: str, *secrets: str) -> Answer:
    """An answer from its text; ``secrets`` are struck out of what may be shown."""
    texts = [text.strip() for text in body.splitlines() if text.strip()]
    shown = scrub(texts[0], *secrets)[:300] if texts else "an empty answer"
    return Answer(tuple(_line(text, secrets) for text in texts), shown)


def _line(text: str, secrets: tuple[str, ...]) -> Line:
    if (found := _LINE.match(text)) is not None:
        kind, reason, data = found.groups()
    elif (found := _BARE.match(text)) is not None:
        (kind, reason), data = found.groups(), ""
    else:
        return Line("ROW", "", tuple(text.split("|")))
    fields = tuple(scrub(field, *secrets) for field in data.strip("|").split("|"))
    return Line(cast("Kind", kind), scrub(reason, *secrets), fields)
