"""Open alerts are looked up at one price, whatever statistics the planner has."""

import re
from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"
_REPLACED = ("close_alerts", "drop_premature_flags", "calls_flag_changed_disagreement")
# A function that is replaced loses them.
_OWNERS_RIGHTS = """
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION calls_flag_changed_disagreement() SECURITY DEFINER SET search_path = %I, pg_temp',
        current_schema());
END
$$
"""


def upgrade() -> None:
    op.execute((_SQL / "0016_open_alerts.sql").read_text().replace(":", r"\:"))
    op.execute(_OWNERS_RIGHTS)


def downgrade() -> None:
    """The functions as migration 0007 made them and 0013 gave them their owner's rights."""
    made = (_SQL / "0007_consistency_triggers.sql").read_text().replace(":", r"\:")
    for name in _REPLACED:
        (function,) = re.findall(rf"^CREATE (FUNCTION {name}\(.*?^\$\$;$)", made, re.DOTALL | re.MULTILINE)
        op.execute(f"CREATE OR REPLACE {function}")
    op.execute(_OWNERS_RIGHTS)
    op.execute("DROP FUNCTION open_alerts")
