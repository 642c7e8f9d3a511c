"""Codes and new leads through the dialer's Non-Agent API.

Belongs here: the requests and what their answers mean. Does not: parsing (api_answers) or remembering failed logins (a
LoginGuard).

The API has no compare-and-set, no idempotency and no transaction. A code is therefore read, written and read back; and an add
whose answer was lost is searched for, at once and before any later try, because a second add would make a second lead.
"""

import re

from vici_brain.errors import ConfigurationError, RetriableError, ViciBrainError
from vici_brain.vici.api_answers import Answer, parse
from vici_brain.vici.lead_writer import CodeWrite, LeadAdded, LeadToAdd, LoginGuard

_MASKED = re.compile("X+")


class AnswerLostError(RetriableError):
    """The request may have been carried out: nobody knows."""


class LeadOutOfReachError(ViciBrainError):
    """The lead is there, and this API user may not look at it: its list is another group's, or unknown."""


class NonAgentApi:
    """One API user of one dialer. Requests are POSTs, because the password of a GET lands in the web server's log."""

    name = "api"

    def __init__(
        self, instance: str, url: str, user: str, password: str, guard: LoginGuard, *, source: str = "brain", seconds: float = 10
    ) -> None:
        # httpx costs a tenth of a second that no tick should pay.
        import httpx  # noqa: PLC0415

        self.instance, self.url = instance, url
        self._login = {"source": source, "user": user, "pass": password}
        self._guard = guard
        self._http: httpx.Client = httpx.Client(timeout=seconds, follow_redirects=False)

    def version(self) -> dict[str, str]:
        """What the API says of itself (VERSION, BUILD, DATE, EPOCH, DST, TZ, TZNOW); needs no login and burns none."""
        body = self._post({"function": "version"})
        return dict(part.split(": ", 1) for part in body.strip().split("|") if ": " in part)

    def find(self, phone_number: str) -> tuple[int, ...]:
        """``lead_search``: leads with this number, stored with or without the leading 1; newest 1,000."""
        numbers = [phone_number, f"1{phone_number}"] if len(phone_number) == 10 else [phone_number]
        answer = self._ask("lead_search", phone_number=",".join(numbers), records="1000")
        if answer.tells("NO MATCHES FOUND"):
            return ()
        found = [_ids(row) for row in answer.rows]
        if not found or None in found or any(line.kind == "ERROR" for line in answer.lines):
            raise RetriableError(f"{self._where} was asked for a number and said: {answer.said}")
        return tuple(sorted({lead for ids in found for lead in ids or ()}))

    def write_code(self, vici_lead_id: int, code: str) -> CodeWrite:
        """Reads, writes where there is none, reads back."""
        try:
            return self._compared_and_set(vici_lead_id, code)
        except LeadOutOfReachError as error:
            return CodeWrite("failed", None, None, str(error))

    def _compared_and_set(self, vici_lead_id: int, code: str) -> CodeWrite:
        before = self._code_of(vici_lead_id)
        if before is None:
            return CodeWrite("not_found", None, None, f"lead {vici_lead_id} is unknown to the API")
        if before:
            equal = before == code
            said = f"lead {vici_lead_id} holds {before!r}" + ("" if equal else ": left alone")
            return CodeWrite("equal" if equal else "conflict", before, before, said)
        try:
            answer = self._ask("update_lead", lead_id=str(vici_lead_id), search_method="LEAD_ID", vendor_lead_code=code)
        except AnswerLostError as lost:
            # Safe to look: it either wrote the code or did not.
            answer = parse(f"NOTICE: update_lead {lost}: ")
        after = self._code_of(vici_lead_id)
        if after == code:
            return CodeWrite("written", before, after, f"lead {vici_lead_id}: {before!r} became {after!r}")
        return CodeWrite(
            "conflict" if after else "failed", before, after, f"lead {vici_lead_id} holds {after!r} after: {answer.said}"
        )

    def add_lead(self, lead: LeadToAdd) -> LeadAdded:
        """Adds unless the number is there, by the dialer's own check too; never twice, whatever becomes of the answer."""
        known = self.find(lead.phone_number)
        if known:
            return LeadAdded("exists", known[-1], f"the dialer has this number as lead {known[-1]}")
        try:
            answer = self._ask("add_lead", **_form(lead))
        except AnswerLostError as lost:
            return self._after_a_lost_answer(lead, str(lost))
        if (line := answer.tells("LEAD HAS BEEN ADDED")) is not None and line.kind == "SUCCESS":
            # The position of lead_id differs between the documentation's example and the code: only a lead with our code counts.
            said = [field for field in line.fields[2:3] + line.fields if field.isdecimal()]
            added = next((int(each) for each in said if len(each) < 10 and self._holds(int(each), lead.code)), None)
            return LeadAdded("added", added, answer.said) if added else self._after_a_lost_answer(lead, answer.said)
        if (line := answer.tells("DUPLICATE PHONE NUMBER")) is not None and len(line.fields) > 2 and line.fields[2].isdecimal():
            return LeadAdded("exists", int(line.fields[2]), answer.said)
        return LeadAdded("refused", None, answer.said)

    def _after_a_lost_answer(self, lead: LeadToAdd, why: str) -> LeadAdded:
        try:
            for each in self.find(lead.phone_number):
                if self._holds(each, lead.code):
                    return LeadAdded("added", each, f"{why}; found afterwards as lead {each}")
        except RetriableError as away:
            why = f"{why}; {away}"
        return LeadAdded("uncertain", None, f"{why}; not found since, so the next try searches first")

    def _holds(self, vici_lead_id: int, code: str) -> bool:
        try:
            return self._code_of(vici_lead_id) == code
        except LeadOutOfReachError:
            return False

    def _code_of(self, vici_lead_id: int) -> str | None:
        """The stored code, blank for none (the API then says nothing at all); ``None`` when there is no such lead."""
        answer = self._ask("lead_field_info", lead_id=str(vici_lead_id), field_name="vendor_lead_code")
        if answer.tells("NO MATCHES FOUND", "LEAD NOT FOUND"):
            return None
        if answer.tells("NOT FOUND"):
            raise LeadOutOfReachError(f"lead {vici_lead_id} is out of reach of {self._login['user']!r}: {answer.said}")
        if any(line.kind == "ERROR" for line in answer.lines):
            raise RetriableError(f"{self._where} was asked for a code and said: {answer.said}")
        code = answer.rows[0].strip() if answer.rows else ""
        if _MASKED.fullmatch(code):
            raise ConfigurationError(
                f"{self._where} hides vendor_lead_code from {self._login['user']!r}: take the field off the system's list of "
                "hidden fields, and hidden lead data off this user"
            )
        return code

    def _ask(self, function: str, **values: str) -> Answer:
        closed = self._guard.closed_until()
        if closed is not None:
            raise ConfigurationError(
                f"{self._where} refused user {self._login['user']!r} several times: correct api_user or its password; "
                f"no login is tried before {closed:%Y-%m-%d %H:%M:%S %Z}, because ten failures lock the user out"
            )
        answer = parse(self._post(self._login | {"function": function} | values), self._login["pass"])
        if answer.refuses_login:
            self._guard.failed(locked=answer.locks_out)
            raise ConfigurationError(
                f"{self._where} refused the login of {self._login['user']!r} ({answer.said}): check user, password and that "
                "vdc_agent_api_access is on"
            )
        self._guard.succeeded()
        if answer.refuses_right:
            raise ConfigurationError(f"{self._where} does not let {self._login['user']!r} do {function}: {answer.said}")
        return answer

    def _post(self, values: dict[str, str]) -> str:
        import httpx  # noqa: PLC0415 - see above

        try:
            response = self._http.post(self.url, data=values)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RetriableError(
                f"{self._where} cannot be reached ({type(error).__name__}): check api_url and firewall"
            ) from None
        except httpx.HTTPError as error:
            raise AnswerLostError(f"{self._where} gave no answer to {values['function']} ({type(error).__name__})") from None
        if response.status_code >= 500:
            raise AnswerLostError(f"{self._where} answered {values['function']} with status {response.status_code}")
        if response.status_code != 200:
            raise ConfigurationError(f"{self._where} answered with status {response.status_code}: check api_url")
        return response.text

    @property
    def _where(self) -> str:
        return f"{self.instance}: the dialer's API at {self.url}"

    def close(self) -> None:
        self._http.close()


def _form(lead: LeadToAdd) -> dict[str, str]:
    names = {"first_name": lead.first_name[:30], "last_name": lead.last_name[:30], "email": lead.email[:70]}
    return {
        "phone_number": lead.phone_number,
        "phone_code": lead.phone_code,
        "list_id": str(lead.list_id),
        "vendor_lead_code": lead.code,
        "source_id": f"BRAIN_{lead.code}",
        "state": lead.state[:2],
        "duplicate_check": "DUPSYS",
        "list_exists_check": "Y",
        **{name: value for name, value in names.items() if value},
    }


def _ids(row: str) -> tuple[int, ...] | None:
    """``phone|count|id-id-id``; ``None`` for a row of another shape."""
    parts = row.split("|")
    if len(parts) < 3 or not parts[1].isdecimal():
        return None
    return tuple(int(each) for each in parts[2].split("-") if each.isdecimal())
