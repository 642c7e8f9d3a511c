"""Giving calls their lead: the calls of a window, the calls that arriving leads were waited for by, and every orphan.

Belongs here: which calls are looked at, in which batches. Does not: the rules of matching (brain/sql/match_calls.sql).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from sqlalchemy import Engine
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from vici_brain.brain.database import lane
from vici_brain.brain.journal import Journal, SyncIdentity
from vici_brain.brain.matches import MatchCounts, MatchStore
from vici_brain.brain.purged_calls import return_claimed
from vici_brain.domain.windows import Window
from vici_brain.errors import RetriableError

BATCH = 20_000


@dataclass(frozen=True, slots=True)
class WindowMatch:
    """What matching a window did (``counts``), and how its calls now stand, by whichever pass (``held``)."""

    window: Window
    counts: MatchCounts
    held: MatchCounts
    orphaned_total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class OrphanMatch:
    """What a pass over orphans did; ``exhausted`` is false when ``limit`` ended it early."""

    counts: MatchCounts
    batches: int
    seconds: float
    exhausted: bool


_again = retry(
    retry=retry_if_exception_type(RetriableError),
    stop=stop_after_attempt(4),
    wait=wait_random_exponential(multiplier=0.2, max=3),
    reraise=True,
)


def match_window(
    matches: MatchStore, instance: str, window: Window, *, overlap: timedelta = timedelta(), dry_run: bool = False
) -> WindowMatch:
    """Matches the still unmatched calls of ``window`` and of the ``overlap`` before it; the totals are of ``window`` alone."""
    started = perf_counter()
    counts = _again(matches.match_window)(instance, window.reaching_back(overlap), dry_run=dry_run)
    held, orphaned = matches.totals(instance, window)
    return WindowMatch(window, counts, held, orphaned, perf_counter() - started)


def match_orphans(
    matches: MatchStore,
    instance: str,
    *,
    limit: int | None = None,
    dry_run: bool = False,
    on_batch: Callable[[MatchCounts], None] = lambda _: None,
) -> OrphanMatch:
    """Goes through every orphan of ``instance``, of any age, in key order and batches; each batch is a transaction."""
    started = perf_counter()
    total, batches, after = MatchCounts(), 0, ("", "")
    while limit is None or total.examined < limit:
        size = BATCH if limit is None else min(BATCH, limit - total.examined)
        counts, last = _again(matches.match_orphans_after)(instance, after, size, dry_run=dry_run)
        if last is None:
            return OrphanMatch(total, batches, perf_counter() - started, exhausted=True)
        total, batches, after = total + counts, batches + 1, last
        on_batch(counts)
    return OrphanMatch(total, batches, perf_counter() - started, exhausted=False)


def rematch_orphans(
    brain: Engine,
    identity: SyncIdentity,
    *,
    since: datetime | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    on_batch: Callable[[MatchCounts], None] = lambda _: None,
) -> OrphanMatch:
    """One pass as one row of sync_logs: every orphan, or (``since``) only those that leads created since then can claim.

    A pass over every orphan first brings back the purged calls that a lead fits.

    Raises BusyError when another pass of the same dialer is running anywhere.
    """
    matches, instance = MatchStore(brain), identity.instance
    with lane(brain, instance, "orphans"), Journal(brain).entry(identity, dry_run=dry_run) as entry:
        if since is None:
            if not dry_run:
                return_claimed(brain, instance)
            done = match_orphans(matches, instance, limit=limit, dry_run=dry_run, on_batch=on_batch)
        else:
            done = match_arrivals(matches, instance, since, dry_run=dry_run)
        entry.count(rows_read=done.counts.examined, rows_matched=done.counts.matched)
        entry.count(rows_orphaned=done.counts.examined - done.counts.matched)
        entry.details.update(matched_by=done.counts.by_rule, ambiguous=done.counts.ambiguous)
    return done


def match_arrivals(matches: MatchStore, instance: str, since: datetime, *, dry_run: bool = False) -> OrphanMatch:
    """Matches only the orphans that leads created at or after ``since`` can claim."""
    started = perf_counter()
    counts = _again(matches.match_orphans_of_leads)(instance, since, dry_run=dry_run)
    return OrphanMatch(counts, 1, perf_counter() - started, exhausted=True)
