"""How far a dialer was read: up to the first hole, in every table."""

from datetime import timedelta

import pytest
from builders import NOON, land, minutes
from sqlalchemy import Engine, text

from vici_brain.brain.ledger import Ledger
from vici_brain.domain.windows import Window

BOTH = ("vicidial_log", "vicidial_closer_log")


def read(brain: Engine, start: float, end: float, tables: tuple[str, ...] = BOTH, instance: str = "vici") -> None:
    """Claims the minutes ``[start, end)`` behind noon as read."""
    for table in tables:
        land(brain, [], table=table, instance=instance, ledger=Window(NOON + minutes(start), NOON + minutes(end)))


def position(brain: Engine, instance: str = "vici") -> float | None:
    found = Ledger(brain).position(instance, BOTH)
    return None if found is None else (found - NOON) / timedelta(minutes=1)


def test_a_dialer_never_read_has_no_position(brain: Engine) -> None:
    read(brain, 0, 10, instance="west")
    assert position(brain) is None


def test_the_position_is_the_end_of_what_was_read_without_a_hole(brain: Engine) -> None:  # F011
    read(brain, 0, 10)
    read(brain, 10, 15)
    assert position(brain) == 15


def test_a_hole_holds_the_position_until_it_is_filled(brain: Engine) -> None:
    read(brain, 0, 10)
    read(brain, 60, 70)
    assert position(brain) == 10
    read(brain, 10, 60)
    assert position(brain) == 70


def test_the_table_that_lags_holds_the_position(brain: Engine) -> None:
    read(brain, 0, 10)
    read(brain, 10, 20, BOTH[:1])
    assert position(brain) == 10


def test_a_table_never_read_begins_where_the_others_did(brain: Engine) -> None:
    read(brain, 0, 10, BOTH[:1])
    assert position(brain) == 0


def test_a_stretch_of_long_ago_does_not_drag_the_position_back(brain: Engine) -> None:
    read(brain, -60 * 24 * 40, -60 * 24 * 40 + 10)
    read(brain, 0, 10)
    assert position(brain) == 10


def due(brain: Engine, table: str, since: timedelta = timedelta(), *, trust_proofs: bool = False) -> list[float]:
    """Minutes after noon at which the buckets of its first half hour begin that are to be read."""
    window = Window(NOON + minutes(1), NOON + minutes(34))
    found = Ledger(brain).due("vici", table, window, NOON + since, trust_proofs=trust_proofs)
    return [(start - NOON) / minutes(1) for start in found]


@pytest.mark.parametrize("table", BOTH)
def test_a_resumed_batch_leaves_out_only_what_was_read_since(brain: Engine, table: str) -> None:  # F007
    read(brain, 0, 10, (table,))
    read(brain, 20, 25, (table,))
    assert due(brain, table) == [10, 15, 25]
    assert due(brain, table, timedelta(days=36500)) == [5, 10, 15, 20, 25]


def test_what_is_proven_is_left_out_where_proofs_are_trusted(brain: Engine) -> None:
    read(brain, 0, 30)
    with brain.begin() as connection:
        connection.execute(
            text("UPDATE call_log_proofs SET state = CASE WHEN bucket_start >= :at THEN 'differs' ELSE 'proven' END"),
            {"at": NOON + minutes(20)},
        )
    long_ago = timedelta(days=36500)
    assert due(brain, BOTH[0], long_ago, trust_proofs=True) == [20, 25]
    assert due(brain, BOTH[0], long_ago) == [5, 10, 15, 20, 25]


def test_a_window_without_a_whole_bucket_has_none_to_read(brain: Engine) -> None:
    window = Window(NOON + minutes(1), NOON + minutes(9))
    assert Ledger(brain).due("vici", BOTH[0], window, NOON, trust_proofs=True) == []
