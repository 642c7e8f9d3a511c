"""Calls whose row is gone at the dialer: the reason, and the row they became; an index for what is not proven."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0002_vanished_calls.sql").read_text().replace(":", r"\:"))
