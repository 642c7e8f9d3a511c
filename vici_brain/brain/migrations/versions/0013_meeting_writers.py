"""Triggers that hold when two writers meet and when the writer owns nothing."""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0013_meeting_writers.sql").read_text().replace(":", r"\:"))
