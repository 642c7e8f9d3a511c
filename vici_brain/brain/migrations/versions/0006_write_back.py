"""Writing back to dialers: audit, checks, pushes, restrictions."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0006_write_back.sql").read_text().replace(":", r"\:"))
