"""The consistency log: one line for each finding, failed validation, rollback and breaker transition, in a file of its own.

Belongs here: the forms of the lines and the file. Does not: deciding what happened. Brain's tables are the record; this is for
`grep`, and for collectors that watch files. The forms stand in docs/consistency.md, and people's searches depend on them.
"""

import fcntl
import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from vici_brain.errors import scrub

_LOG = logging.getLogger("vici_brain.consistency")
_LOG.addHandler(logging.NullHandler())
_LOG.setLevel(logging.INFO)
_BYTES, _FILES, _LONGEST = 5_000_000, 5, 500
_LEVELS = {"critical": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


class SharedRotatingHandler(RotatingFileHandler):
    """Rotates by size under a lock of all processes, and holds no file open: what another process rotated is never written to."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            path = Path(self.baseFilename)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                super().emit(record)
                self._let_go()
        except OSError:
            self.handleError(record)

    def _let_go(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None


def log_file(home: Path) -> Path:
    return home / "logs" / "consistency.log"


def keep_log(home: Path, *, most_bytes: int = _BYTES) -> None:
    """From now on this process writes the lines to ``home``; the file is made with the first of them."""
    path = str(log_file(home.resolve()))
    for handler in [each for each in _LOG.handlers if isinstance(each, SharedRotatingHandler)]:
        if (handler.baseFilename, handler.maxBytes) == (path, most_bytes):
            return
        _LOG.removeHandler(handler)
        handler.close()
    handler = SharedRotatingHandler(path, maxBytes=most_bytes, backupCount=_FILES, delay=True, encoding="utf-8")
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    handler.setFormatter(form)
    _LOG.addHandler(handler)


def rule_broken(rule: str, severity: str, *, found: int, new: int, corrected: int, sample: list[int]) -> None:
    _write(_LEVELS[severity], "RULE", rule=rule, severity=severity, found=found, new=new, corrected=corrected, sample=sample)


def validation_failed(call: int, appointment: int | None, reason: str) -> None:
    _write(logging.ERROR, "VALIDATION_FAILED", call=call, appointment=appointment, reason=reason)


def rolled_back(call: int, reason: str, *, done: bool) -> None:
    """``done`` is false where an appointment exists and the call went to a person instead."""
    _write(logging.ERROR, "ROLLBACK" if done else "ROLLBACK_REFUSED", call=call, reason=reason)


def breaker_changed(key: str, before: str, after: str, *, failures: int, error: str | None) -> None:
    level = logging.ERROR if after == "open" else logging.INFO
    _write(level, "BREAKER", key=key, change=f"{before}->{after}", failures=failures, error=error)


def breaker_slow(key: str, seconds: float, allowed: float) -> None:
    _write(logging.WARNING, "BREAKER_SLOW", key=key, seconds=f"{seconds:.1f}", allowed=f"{allowed:g}")


def _write(level: int, prefix: str, **fields: Any) -> None:
    """``PREFIX name=value …`` on one line; what has blanks is quoted, what is unknown is ``-``."""
    _LOG.log(level, "%s %s", prefix, " ".join(f"{name}={_shown(value)}" for name, value in fields.items()))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    said = scrub(" ".join(str(value).split()))[:_LONGEST]
    return '"' + said.replace('"', "'") + '"' if " " in said else said
