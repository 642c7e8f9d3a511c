"""The plain pipe: the dialer's own client → COPY into a staging table → one upsert. What moving the rows costs at the least.

Belongs here: the two pipes, with and without what our reader looks up beside a row. Does not: anything a user should run:
batch mode prints NULL as the word NULL, nothing is retried, matched or proven, and the read holds the dialer's table to its end.
"""

import shutil
import subprocess
from urllib.parse import unquote

from sqlalchemy import make_url

_COLUMNS = {
    "uniqueid": "text PRIMARY KEY",
    "lead_id": "bigint",
    "list_id": "bigint",
    "campaign_id": "text",
    "call_date": "timestamp",
    "start_epoch": "bigint",
    "end_epoch": "bigint",
    "length_in_sec": "bigint",
    "status": "text",
    "phone_code": "text",
    "phone_number": "text",
    "user": "text",
    "comments": "text",
    "user_group": "text",
    "term_reason": "text",
    "alt_dial": "text",
    "called_count": "bigint",
}
_LOOKED_UP = {
    "vendor_lead_code": "(SELECT vendor_lead_code FROM vicidial_list AS l WHERE l.lead_id = v.lead_id)",
    "outbound_cid": "(SELECT c.outbound_cid FROM vicidial_log_extended AS e"
    " JOIN vicidial_dial_cid_log AS c ON c.caller_code = e.caller_code"
    " WHERE e.uniqueid = v.uniqueid AND e.lead_id = v.lead_id ORDER BY c.call_date DESC LIMIT 1)",
}
_NAMES = ", ".join(f"v.{name}" for name in _COLUMNS)
SELECTED = f"SELECT {_NAMES}, {', '.join(f'{looked} AS {name}' for name, looked in _LOOKED_UP.items())} FROM vicidial_log AS v"
"""Outbound calls with code and caller ID, as one SELECT of the dialer."""


def available() -> bool:
    return shutil.which("mariadb") is not None and shutil.which("psql") is not None


def prepare(brain_url: str, *, looked_up: bool) -> None:
    """An empty target with its primary key and the index on call_date."""
    columns = _COLUMNS | (dict.fromkeys(_LOOKED_UP, "text") if looked_up else {})
    described = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    _psql(brain_url, "DROP TABLE IF EXISTS piped", f"CREATE TABLE piped ({described})", "CREATE INDEX ON piped (call_date)")


def command(vici_url: str, brain_url: str, *, looked_up: bool) -> list[str]:
    """The pipe as one shell command."""
    source, shown = make_url(vici_url), [*_COLUMNS, *(_LOOKED_UP.values() if looked_up else ())]
    select = f"SELECT {', '.join(shown)} FROM vicidial_log AS v WHERE call_date >= '2000-01-01'"
    names = [*_COLUMNS, *(_LOOKED_UP if looked_up else ())]
    kept = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name != "uniqueid")
    login = f"--host={source.host} --port={source.port or 3306} --user={source.username}"
    upsert = f"INSERT INTO piped SELECT * FROM staged ON CONFLICT (uniqueid) DO UPDATE SET {kept}"
    statements = ("CREATE TEMPORARY TABLE staged (LIKE piped)", "COPY staged FROM STDIN WITH (NULL 'NULL')", upsert)
    psql = " ".join(["psql", "-qAt", _quoted(_libpq(brain_url)), *(f"-c {_quoted(each)}" for each in statements)])
    return ["bash", "-o", "pipefail", "-c", f"mariadb {login} -q -B -N {source.database} -e {_quoted(select)} | {psql}"]


def rows(brain_url: str) -> int:
    return int(_psql(brain_url, "SELECT count(*) FROM piped"))


def _psql(brain_url: str, *statements: str) -> str:
    asked = [part for statement in statements for part in ("-c", statement)]
    return subprocess.run(["psql", "-qAt", _libpq(brain_url), *asked], check=True, capture_output=True, text=True).stdout.strip()


def _libpq(url: str) -> str:
    return unquote(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
