"""Calls and appointments of every system, the triggers that keep them right, circuit breakers, and the daily report."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for name in ("0007_calls_and_appointments", "0007_consistency_triggers"):
        op.execute((_SQL / f"{name}.sql").read_text().replace(":", r"\:"))
