"""Answered reviews are found by what they are about; which leads a dialer had at the Brain-first switch."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0014_reviews_and_switch_of_leads.sql").read_text().replace(":", r"\:"))
