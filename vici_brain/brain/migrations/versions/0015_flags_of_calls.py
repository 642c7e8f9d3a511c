"""What is odd about a call, as a function that landing and merging share."""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0015_flags_of_calls.sql").read_text().replace(":", r"\:"))
