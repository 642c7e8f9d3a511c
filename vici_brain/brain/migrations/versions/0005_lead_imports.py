"""Imports of leads: ids, the mirror of the dialers' leads, what each import did, and the switch of the intake."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0005_lead_imports.sql").read_text().replace(":", r"\:"))
