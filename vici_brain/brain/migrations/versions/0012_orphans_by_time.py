"""Orphans of a stretch of time."""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0012_orphans_by_time.sql").read_text().replace(":", r"\:"))
