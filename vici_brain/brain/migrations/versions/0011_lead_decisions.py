"""Decisions about leads that outlive them."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0011_lead_decisions.sql").read_text().replace(":", r"\:"))
