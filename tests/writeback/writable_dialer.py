"""A ViciDial database that may be written to: the real tables on MariaDB, a narrow write login, and an API in front of it.

The API answers as a Non-Agent API does, errors included, over the same vicidial_list. Every instant is given by the test.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from builders import NOON, Exchange, add_lead, link
from sqlalchemy import Engine, create_engine, make_url, text

from vici_brain.domain.windows import BUCKET, floor_to
from vici_brain.vici import schema

CODE = "1755041041{:03}"
PASSWORD = "hidden-word"
_WRITING = {
    *("vicidial_lists", "vicidial_campaigns", "vicidial_dnc", "vicidial_campaign_dnc", "vicidial_live_agents"),
    *("vicidial_hopper", "vicidial_list_alt_phones"),
}


def code(number: int) -> str:
    return CODE.format(number)


class WritableDialer(Exchange):
    """All tables of a dialer, a campaign SOLAR with list 101 and a campaign OTHER with list 102."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        schema.create_tables(self.engine, skip=set(schema.metadata.tables) - _WRITING)
        self.put("vicidial_campaigns", {"campaign_id": "SOLAR", "use_internal_dnc": "AREACODE", "use_campaign_dnc": "Y"})
        for list_id, campaign in ((101, "SOLAR"), (102, "OTHER")):
            self.put("vicidial_lists", {"list_id": list_id, "campaign_id": campaign})

    def lead(self, lead_id: int, **columns: Any) -> int:
        row = {"lead_id": lead_id, "list_id": 101, "phone_code": "1", "phone_number": f"212555{lead_id:04}", "status": "NEW"}
        self.put("vicidial_list", row | {"modify_date": "2025-01-01 00:00:00"} | columns)
        return lead_id

    def ask(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def codes(self) -> dict[int, str | None]:
        return {row[0]: row[1] for row in self.ask("SELECT lead_id, vendor_lead_code FROM vicidial_list ORDER BY 1")}

    def agent_restores(self, lead_id: int, value: str = "") -> None:
        """What the agent screen does on submit: it writes back what it loaded when the call began."""
        self.run("UPDATE vicidial_list SET vendor_lead_code = :value WHERE lead_id = :lead", value=value, lead=lead_id)


@contextmanager
def write_login(server: str, database_url: str) -> Iterator[str]:
    """URL of a login that has the grants of the README and nothing else."""
    user, database = f"w_{uuid4().hex[:10]}", make_url(database_url).database
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}'"))
        grant = "SELECT (lead_id, vendor_lead_code, modify_date), UPDATE (vendor_lead_code, modify_date)"
        connection.execute(text(f"GRANT {grant} ON {database}.vicidial_list TO '{user}'@'%'"))
    try:
        yield make_url(database_url).set(username=user, password=PASSWORD).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP USER '{user}'@'%'"))
        admin.dispose()


def cover(brain: Engine, now: datetime, instance: str = "vici", *, days: float = 31) -> None:
    """The ledger says that the last ``days`` were read."""
    with brain.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO call_log_proofs SELECT :instance, name, bucket, 'proven', :now, 0, 0, 0, 0, :now
                FROM unnest(ARRAY['vicidial_log', 'vicidial_closer_log']) AS name,
                     generate_series(CAST(:start AS timestamptz), CAST(:end AS timestamptz), interval '5 minutes') AS bucket
                ON CONFLICT DO NOTHING
            """),
            {"instance": instance, "now": now, "start": floor_to(now - timedelta(days=days), BUCKET), "end": now},
        )


def linked_lead(brain: Engine, dialer: WritableDialer, number: int, **columns: Any) -> None:
    """Lead ``number`` at the dialer and in Brain, linked."""
    dialer.lead(number, **columns)
    add_lead(brain, number, code=code(number), phone=f"212555{number:04}", created_at=NOON)
    link(brain, number, number)


class Api:
    """A Non-Agent API over a dialer's tables; ``trouble`` may answer, or swallow an answer, in its stead."""

    def __init__(self, dialer: WritableDialer) -> None:
        self.dialer = dialer
        self.asked: list[dict[str, str]] = []
        self.trouble: Callable[[dict[str, str]], str | None] = lambda _: None
        self.after: Callable[[dict[str, str]], bool] = lambda _: False
        """True: the request was carried out, but its answer never comes."""
        self.failed_logins = 0
        self.allowed = {"lead_search", "lead_field_info", "update_lead", "add_lead"}

    def answer(self, form: dict[str, str]) -> str:
        self.asked.append(form)
        said = self.trouble(form)
        if said is not None:
            return said
        function, user, word = form.get("function", ""), form.get("user", ""), form.get("pass", "")
        if function == "version":
            return "VERSION: 2.14-202|BUILD: 250720-1841|DATE: 2025-06-10 12:00:00|EPOCH: 1749571200|DST: 1|TZ: -5|TZNOW: -4|\n"
        if self.failed_logins >= 10:
            return f"ERROR: Too many login attempts, try again in 15 minutes: |{user}|LOCK|\n"
        if (user, word) != ("crm", PASSWORD):
            self.failed_logins += 1
            # The dialer strikes what it takes for dangerous out of the password, and then shows it.
            return f"ERROR: Login incorrect, please try again: |{user}|{re.sub('[^-_0-9a-zA-Z]', '', word)}|BAD|\n"
        self.failed_logins = 0
        if function not in self.allowed:
            return f"ERROR: auth USER DOES NOT HAVE PERMISSION TO USE THIS FUNCTION: |{user}|{function}|\n"
        handler: Callable[[dict[str, str]], str] = getattr(self, f"_{function}")
        return handler(form)

    def _lead_search(self, form: dict[str, str]) -> str:
        rows, total = [], 0
        for number in form["phone_number"].split(","):
            found = self.dialer.ask("SELECT lead_id FROM vicidial_list WHERE phone_number = :n ORDER BY 1 DESC", n=number)
            rows.append(f"{number}|{len(found)}|{'-'.join(str(lead) for (lead,) in found)}\n")
            total += len(found)
        if not total:
            return f"ERROR: lead_search NO MATCHES FOUND IN THE SYSTEM: |crm|||{form['phone_number']}\n"
        return "".join(rows)

    def _lead_field_info(self, form: dict[str, str]) -> str:
        assert form["field_name"] == "vendor_lead_code"
        found = self.dialer.ask("SELECT vendor_lead_code FROM vicidial_list WHERE lead_id = :lead", lead=form["lead_id"])
        if not found:
            return f"ERROR: lead_field_info LEAD NOT FOUND: crm|{form['lead_id']}\n"
        # The bare value without an end of line: of a lead without a code nothing at all.
        return found[0][0] or ""

    def _update_lead(self, form: dict[str, str]) -> str:
        if not self.dialer.ask("SELECT lead_id FROM vicidial_list WHERE lead_id = :lead", lead=form["lead_id"]):
            return f"ERROR: update_lead NO MATCHES FOUND IN THE SYSTEM: |crm|{form['lead_id']}||\n"
        statement = "UPDATE vicidial_list SET vendor_lead_code = :code WHERE lead_id = :lead"
        self.dialer.run(statement, code=form["vendor_lead_code"], lead=form["lead_id"])
        return (
            f"SUCCESS: update_lead LEAD HAS BEEN UPDATED - crm|{form['lead_id']}|1|||\nNOTICE: update_lead NOTHING ELSE: |crm|\n"
        )

    def _add_lead(self, form: dict[str, str]) -> str:
        number, list_id = form["phone_number"], form["list_id"]
        if form.get("list_exists_check") == "Y" and not self.dialer.ask(
            "SELECT 1 FROM vicidial_lists WHERE list_id = :l", l=list_id
        ):
            return f"ERROR: add_lead NOT A DEFINED LIST ID, LIST EXISTS CHECK ENABLED - {number}|{list_id}\n"
        held = self.dialer.ask("SELECT lead_id, list_id FROM vicidial_list WHERE phone_number = :n", n=number)
        if held and form.get("duplicate_check") == "DUPSYS":
            return f"ERROR: add_lead DUPLICATE PHONE NUMBER IN SYSTEM - {number}|{list_id}|{held[0][0]}|{held[0][1]}\n"
        ((lead,),) = self.dialer.ask("SELECT coalesce(max(lead_id), 0) + 1 FROM vicidial_list")
        columns = {name: form.get(name) for name in ("phone_code", "vendor_lead_code", "source_id", "first_name", "state")}
        self.dialer.lead(int(lead), phone_number=number, list_id=int(list_id), **columns)
        return f"SUCCESS: add_lead LEAD HAS BEEN ADDED - {number}|{list_id}|{lead}|-5|crm\n"


@contextmanager
def serving(api: Api) -> Iterator[str]:
    """The API on a port of this machine; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
            said = api.answer(form)
            if api.after(form):
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_args: Any) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None: ...

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/vicidial/non_agent_api.php"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
