"""Our partitions are Dagster's own, listed faster; and a run of some of them neither lists the others nor loses a figure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from builders import NOON, minutes
from call_centre import VICI, call_centre, metadata_of, settings_for, verdicts
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from vici_brain.domain.windows import Window
from vici_brain.orchestration.partitions import KEY_FORMAT, RANGE_TAGS, five_minutes, key_of, keys_of
from vici_brain.orchestration.reporting import give_at_once, give_one_by_one

stable = settings(derandomize=True, deadline=None, max_examples=60)
first_days = st.dates(date(2023, 12, 1), date(2026, 3, 31))  # with a leap day, two turns of the year, and clock changes
seconds_later = st.integers(-86400, 2 * 86400)
windows = st.builds(
    lambda start, length: Window(start, start + timedelta(seconds=length)),
    st.datetimes(datetime(2023, 12, 30), datetime(2024, 3, 2), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given
    st.integers(0, 3 * 86400),
)
_ONE_RUN = dg.BackfillPolicy.single_run()
WEEK = [key_of(NOON + minutes(5 * n)) for n in range(2016)]


def _ours_and_dagsters(first: date) -> tuple[dg.TimeWindowPartitionsDefinition, dg.TimeWindowPartitionsDefinition]:
    plain = dg.TimeWindowPartitionsDefinition(
        cron_schedule="*/5 * * * *", start=f"{first:%Y-%m-%d}-00:00", fmt=KEY_FORMAT, timezone="UTC"
    )
    return five_minutes(settings_for(Path(), None, sync_start=first)), plain


@stable
@given(first_days, seconds_later)
def test_the_same_keys_are_listed_at_any_moment(first: date, later: int) -> None:
    ours, plain = _ours_and_dagsters(first)
    now = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(seconds=later)
    assert ours.get_partition_keys(now) == plain.get_partition_keys(now)
    with dg.partition_loading_context(effective_dt=now):
        assert ours.get_partition_keys() == plain.get_partition_keys()


@stable
@given(first_days, st.integers(0, 600), st.integers(0, 600))
def test_ranges_windows_and_keys_are_answered_alike(first: date, start: int, length: int) -> None:
    ours, plain = _ours_and_dagsters(first)
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    ends = [key_of(midnight + minutes(5 * n)) for n in (start, start + length)]
    assert ours.get_partition_keys_in_range(dg.PartitionKeyRange(*ends)) == plain.get_partition_keys_in_range(
        dg.PartitionKeyRange(*ends)
    )
    for key in (*ends, key_of(midnight - minutes(5)), "2024-02-30-00:00", "2999-01-01-00:00"):
        assert ours.has_partition_key(key) == plain.has_partition_key(key)
    assert ours.time_window_for_partition_key(ends[1]) == plain.time_window_for_partition_key(ends[1])


@stable
@given(windows)
def test_a_windows_keys_are_those_of_its_whole_buckets(window: Window) -> None:
    assert keys_of(window) == [key_of(start) for start in window.buckets()]


def test_they_are_dagsters_own_to_all_who_compare_store_or_send_them() -> None:
    ours, plain = _ours_and_dagsters(date(2025, 6, 1))
    assert (ours, hash(ours), repr(ours)) == (plain, hash(plain), repr(plain))
    assert ours.get_serializable_unique_identifier() == plain.get_serializable_unique_identifier()
    kept: Any = ours.subset_with_partition_keys(WEEK[:3]).to_serializable_subset()
    assert kept == plain.subset_with_partition_keys(WEEK[:3])
    assert type(kept.partitions_def) is dg.TimeWindowPartitionsDefinition


def test_a_range_with_checks_does_not_pay_for_the_years_before_it(
    tmp_path: Path, brain_url: str, brain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten years are a million windows, which Dagster would work out one by one for every asset that has checks."""
    worked_out, by_cron = [0], dg.TimeWindowPartitionsDefinition._iterate_time_windows

    def counting(partitions: dg.TimeWindowPartitionsDefinition, *since: Any) -> Iterator[object]:
        for window in by_cron(partitions, *since):
            worked_out[0] += 1
            yield window

    monkeypatch.setattr(dg.TimeWindowPartitionsDefinition, "_iterate_time_windows", counting)
    with call_centre(settings_for(tmp_path, brain_url, sync_start=date(2015, 1, 1))) as centre:
        centre.dialer.outbound(NOON + minutes(1))
        result = centre.sync_range(NOON, NOON + minutes(60))
    assert result.success
    assert len(verdicts(result)) > 0
    assert metadata_of(result, VICI.call_logs)["dagster/row_count"] == 1
    assert 0 < worked_out[0] < 10_000


@pytest.mark.parametrize("give", [give_at_once, give_one_by_one])
def test_figures_given_at_once_arrive_as_those_given_one_by_one(give: Any) -> None:
    """Of two assets that one step makes, over what its results say of every partition."""
    keys = [dg.AssetKey("matched"), dg.AssetKey("orphaned")]
    settings = settings_for(Path(), None)

    @dg.multi_asset(specs=[dg.AssetSpec(key) for key in keys], partitions_def=five_minutes(settings), backfill_policy=_ONE_RUN)
    def both(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        context.add_asset_metadata({"said_before": True}, asset_key=keys[0], partition_key=WEEK[1])
        for n, key in enumerate(keys):
            give(context, key, {WEEK[0]: {"rows": 7 + n}, WEEK[2]: {"rows": 9}})
            yield dg.MaterializeResult(asset_key=key, metadata={"rows": 0, "run": "all"})

    tags = dict(zip(RANGE_TAGS, (WEEK[0], WEEK[3]), strict=True))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([both], instance=instance, tags=tags)
    told = {key.path[0]: [metadata_of(result, key, partition) for partition in WEEK[:4]] for key in keys}
    silent = {"rows": 0, "run": "all"}
    assert told == {
        "matched": [silent | {"rows": 7}, silent | {"said_before": True}, silent | {"rows": 9}, silent],
        "orphaned": [silent | {"rows": 8}, silent, silent | {"rows": 9}, silent],
    }
