"""Old orphans put away with an audit row and a way back; alerts, such as one about a dialer that has gone silent."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0003_orphan_purges_and_alerts.sql").read_text().replace(":", r"\:"))
