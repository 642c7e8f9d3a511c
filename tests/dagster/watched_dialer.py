"""A dialer whose ledger tests punch holes into, and the gap sensor over it: one tick, and doing what it asks for.

Belongs here: the world of test_gap_sensor. Does not: any assertion about what the sensor decides.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from builders import minutes
from call_centre import VICI, CallCentre
from sqlalchemy import Engine, text

from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.orchestration.partitions import key_of, start_of
from vici_brain.orchestration.resources import Connections

DAY = timedelta(days=1)
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PROVEN = """
    INSERT INTO call_log_proofs
    SELECT :instance, source_table, bucket_start, 'proven', bucket_start, 0, 0, 0, 0, bucket_start
    FROM unnest(ARRAY['vicidial_log', 'vicidial_closer_log']) AS source_table, generate_series(
        CAST(:start AS timestamptz), CAST(:end AS timestamptz) - interval '5 minutes', interval '5 minutes'
    ) AS bucket_start
"""


class Watched:
    """A dialer whose whole history of ten days is proven, until a test punches holes; the sensor's clock stands at ``now``."""

    def __init__(self, centre: CallCentre, brain: Engine) -> None:
        self.centre, self.brain = centre, brain
        self.now = datetime.now(UTC)
        self.start = datetime.combine(centre.settings.sync_start, datetime.min.time(), UTC)
        self.due = floor_to(self.now - minutes(10), BUCKET)
        for name in centre.dialers:
            # A day ahead too, for tests that let the sensor's clock run.
            self._change(PROVEN, instance=name, start=self.start, end=self.due + DAY)

    def _change(self, statement: str, **values: object) -> None:
        with self.brain.begin() as connection:
            connection.execute(text(statement), values)

    def forget(self, start: datetime, end: datetime, *, tables: str = "%") -> None:
        """A hole: nothing in ``[start, end)`` was ever read."""
        where = "instance = 'vici' AND source_table LIKE :tables AND bucket_start >= :start AND bucket_start < :end"
        self._change(f"DELETE FROM call_log_proofs WHERE {where}", tables=tables, start=start, end=end)

    def doubt(self, start: datetime, state: str) -> None:
        self._change("UPDATE call_log_proofs SET state = :state WHERE bucket_start = :start", state=state, start=start)

    def look(self, *, later: timedelta = timedelta(), instance: dg.DagsterInstance | None = None) -> list[dg.RunRequest] | str:
        """One tick of the sensor: what it asks for, or why nothing."""
        self.centre.now = self.now + later
        connections = Connections(self.centre.settings, self.centre.clock)
        context = dg.build_sensor_context(instance=instance or self.centre.instance, resources={"connections": connections})
        try:
            answer = self.centre.defs.resolve_sensor_def(VICI.gap_sensor)(context)
        finally:
            connections.close()
            self.centre.now = None
        if isinstance(answer, dg.SkipReason):
            return str(answer.skip_message)
        assert isinstance(answer, dg.SensorResult)
        return list(answer.run_requests or [])

    def obey(self, answer: list[dg.RunRequest] | str) -> list[bool]:
        """Runs what was asked for, as the daemon does: a run key of a run that exists launches nothing."""
        assert not isinstance(answer, str), answer
        done = []
        for request in answer:
            tags = {**request.tags, "dagster/run_key": str(request.run_key), "dagster/sensor_name": VICI.gap_sensor}
            known = dg.RunsFilter(tags={"dagster/run_key": str(request.run_key)})
            if not self.centre.instance.get_run_records(known, limit=1):
                done.append(self.centre.run(VICI.backfill_job, tags=tags).success)
        return done

    def running(self, job: str, tags: Mapping[str, str], status: str = "STARTED", *, only: dg.AssetKey | None = None) -> str:
        run = self.centre.instance.create_run_for_job(
            self.centre.defs.resolve_job_def(job),
            status=dg.DagsterRunStatus(status),
            tags=dict(tags),
            asset_selection=None if only is None else frozenset({only}),
        )
        return run.run_id


def span(start: datetime, end: datetime) -> dict[str, str]:
    return {FIRST: key_of(start), LAST: key_of(end - BUCKET)}


def asked(answer: list[dg.RunRequest] | str) -> list[tuple[datetime, datetime]]:
    assert not isinstance(answer, str), answer
    return [(start_of(request.tags[FIRST]), start_of(request.tags[LAST]) + BUCKET) for request in answer]


def keys(answer: list[dg.RunRequest] | str) -> list[str]:
    assert not isinstance(answer, str), answer
    return [str(request.run_key) for request in answer]
