"""Alerts about calls are told once, whoever tells them."""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0010_telling_once.sql").read_text().replace(":", r"\:"))
