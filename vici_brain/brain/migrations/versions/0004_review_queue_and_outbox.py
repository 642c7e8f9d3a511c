"""What needs a person's decision, and what people have to be told."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0004_review_queue_and_outbox.sql").read_text().replace(":", r"\:"))
