"""Putting old orphans away and bringing them back: export, verify, and only then hide or purge.

Belongs here: the order of the steps, file names, what is refused. Does not: SQL (brain/orphan_archive) or the format
(brain/orphan_files).

Hidden calls leave only the view orphan_call_logs. Purged calls leave vici_call_logs. Both stay proven, and both are matched when
their lead comes at last, however late.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import Engine

from vici_brain.brain.database import lane
from vici_brain.brain.orphan_archive import Act, DueOrphans, Mode, OrphanArchive, Purge
from vici_brain.brain.orphan_files import OrphanFile, read_file, sha256_of, write_file
from vici_brain.errors import ConfigurationError, DifferenceError

KEPT_AT_LEAST = timedelta(days=7)
BATCH = 10_000
_LANE = "purge_orphans"
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """What was found, and, if it was acted upon, the export and the audit row (``None``: a dry run, or nothing to do)."""

    instance: str
    due: DueOrphans
    file: OrphanFile | None = None
    purge: Purge | None = None


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What came back of a purge; ``unverified`` says why the calls could not be compared with the export, if they could not."""

    purge: Purge
    calls: int
    only_in_file: int = 0
    unverified: str = ""


@dataclass(frozen=True, slots=True)
class PurgeOrder:
    """What to do about orphans that happened more than ``older_than`` ago, and who asks for it."""

    mode: Mode
    directory: Path
    trigger: str
    actor: str
    older_than: timedelta = KEPT_AT_LEAST

    def __post_init__(self) -> None:
        if self.older_than < KEPT_AT_LEAST:
            raise ValueError(f"orphans are kept for {KEPT_AT_LEAST.days} days at least: their lead may be on its way")


def purge_orphans(
    brain: Engine, instance: str, now: datetime, order: PurgeOrder, *, apply: bool = False, batch: int = BATCH
) -> PurgeResult:
    """Without ``apply`` only counts. Otherwise exports, verifies by reading again, and then hides or purges what the file holds.

    Whatever fails before the last step leaves Brain as it was; the last step is one transaction. Raises BusyError when another
    purge or restore of the same dialer is running anywhere.
    """
    archive, cutoff = OrphanArchive(brain), now - order.older_than
    due = archive.due(instance, cutoff, order.mode)
    if not apply or not due.calls:
        return PurgeResult(instance, due)
    with lane(brain, instance, _LANE):
        path = _free_name(order.directory.resolve(), instance, due)
        file = write_file(path, archive.rows(instance, cutoff, order.mode, batch))
        act = Act(instance, order.mode, order.trigger, order.actor, cutoff, str(file.path), file.sha256)
        # From the disk, not from Brain again: only what can be read back is put away.
        purge = archive.put_away(act, read_file(file.path))
    return PurgeResult(instance, due, file, purge)


def restore_orphans(brain: Engine, which: str, actor: str) -> RestoreResult:
    """Undoes the purge with the number ``which``, or the one whose export is the file ``which``; a second time changes nothing.

    A number works without the file too: Brain keeps purged calls whole. A file is recognised by its content, wherever it lies
    now, and one that is no export is refused.
    """
    archive = OrphanArchive(brain)
    purge = archive.purge(int(which)) if which.isdecimal() else archive.purge_of_file(_digest(Path(which)))
    if purge is None:
        raise ConfigurationError(f"{which} is no purge and no export of one: `vici-brain restore-orphans` lists them")
    path = Path(purge.file if which.isdecimal() else which)
    unverified = _unusable(path, purge) if purge.mode == "purged" else ""
    rows = None if unverified or purge.mode == "hidden" else read_file(path)
    with lane(brain, purge.instance, _LANE):
        done = archive.bring_back(purge, rows, actor)
    if done.differing:
        raise DifferenceError(
            f"{len(done.differing)} purged calls are not as {path} has them, so nothing was restored; like {done.differing[0]}"
        )
    return RestoreResult(archive.purge(purge.id) or purge, done.calls, done.only_in_file, unverified)


def _free_name(directory: Path, instance: str, due: DueOrphans) -> Path:
    """Instance and range, the end not included; a second export of the same range gets a number."""
    first = (due.first or due.cutoff).astimezone(UTC)
    stem = f"orphan_call_logs-{instance}-{first:{_STAMP}}-{due.cutoff.astimezone(UTC):{_STAMP}}"
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.parquet" for number in count(1))
    return next(directory / name for name in names if not (directory / name).exists())


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConfigurationError(f"{path} is no number of a purge and no file that can be read: {error.strerror}") from None


def _unusable(path: Path, purge: Purge) -> str:
    """Why the export cannot be compared with, or nothing."""
    try:
        return "" if sha256_of(path) == purge.sha256 else f"{path} was altered since it was exported"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
