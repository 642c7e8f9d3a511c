"""Calls, their history, quarantine, the ledger, statuses, sync logs, lead links; leads where the CRM has none."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for name in ("0001_call_history", "0001_leads", "0001_lead_lookups"):
        op.execute((_SQL / f"{name}.sql").read_text().replace(":", r"\:"))
