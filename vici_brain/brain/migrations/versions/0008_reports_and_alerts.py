"""Daily reports, and what alerts remember."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0008_reports_and_alerts.sql").read_text().replace(":", r"\:"))
