"""What an administrator enters once: statuses with their flags, campaigns, lists, in-groups, caller IDs, server, agents.

Belongs here: rows that no call changes. Does not: leads (people) and calls (plan).
"""

from collections.abc import Iterator
from typing import Any

from vici_brain.simulation.draws import words
from vici_brain.simulation.people import AREA_CODES
from vici_brain.simulation.profile import DialerProfile

SERVER_IP = "10.0.0.11"
USER_GROUP = "AGENTS"
CALLER_IDS_PER_CAMPAIGN = 6

_FLAGS = {
    "sale": "SALE",
    "dnc": "DNC DNCC DNCL",
    "customer_contact": "CALLBK CBHOLD DEC NI QCFAIL XFER",
    "human_answered": "AFTHRS CALLBK CBHOLD DEC DNC DROP IQNANQ IVRXFR LRERR MAXCAL MLINAT NANQUE NI NP PDROP QCFAIL RQXFER "
    "SALE SVYCLM TIMEOT XDROP XFER",
    "not_interested": "NI",
    "unworkable": "ADC AFAX DC",
    "scheduled_callback": "CALLBK CBHOLD QCFAIL",
    "completed": "DNC DNCC DNCL MLINAT SALE",
    "answering_machine": "A AL AM",
    "selectable": "A B CALLBK DAIR DC DEC DNC N NI NP SALE XFER",
}
_NAMES = {
    "NEW": "New Lead",
    "QUEUE": "Lead To Be Called",
    "INCALL": "Lead Being Called",
    "DROP": "Agent Not Available",
    "NA": "No Answer AutoDial",
    "AA": "Answering Machine Auto",
    "AB": "Busy Auto",
    "ADC": "Disconnected Number Auto",
    "ADCT": "Disconnected Number Temporary",
    "A": "Answering Machine",
    "B": "Busy",
    "N": "No Answer",
    "NI": "Not Interested",
    "NP": "No Pitch No Price",
    "SALE": "Sale Made",
    "DNC": "DO NOT CALL",
    "DEC": "Declined Sale",
    "CALLBK": "Call Back",
    "PDROP": "Outbound Pre-Routing Drop",
    "XFER": "Call Transferred",
}
SYSTEM_STATUSES = words(
    "NEW QUEUE INCALL DROP XDROP NA CALLBK CBHOLD A AA AM AL AFAX B AB DC ADC ADCT DAIR ADAIR DEC DNC DNCL DNCC N NI NP PU PM "
    "XFER SALE SVYEXT SVYVM SVYHU SVYREC SVYCLM QVMAIL RQXFER TIMEOT AFTHRS NANQUE PDROP IVRXFR MLINAT MAXCAL LRERR QCFAIL "
    "IQNANQ LSMERG QCANC"
)


def status_rows() -> Iterator[dict[str, Any]]:
    for status in SYSTEM_STATUSES:
        flags = {flag: "Y" if status in holders.split() else "N" for flag, holders in _FLAGS.items()}
        yield {"status": status, "status_name": _NAMES.get(status, f"Status {status}"), **flags}


def campaign_of_list(profile: DialerProfile, index: int) -> str:
    return profile.campaigns[index // profile.lists_per_campaign]


def caller_ids(profile: DialerProfile, campaign: int) -> list[str]:
    """The numbers a campaign shows, one an area code; 555-01xx is reserved for fiction."""
    first = campaign * CALLER_IDS_PER_CAMPAIGN + profile.seed
    codes = [AREA_CODES[(first + n) % len(AREA_CODES)][0] for n in range(CALLER_IDS_PER_CAMPAIGN)]
    return [f"{code}55501{(profile.seed * 7 + n + campaign * 10) % 100:02d}" for n, code in enumerate(codes)]


def agents(profile: DialerProfile) -> list[str]:
    """Every user of a log row: the two machines first, then people."""
    return ["VDAD", "VDCL", *(f"{1001 + n}" for n in range(profile.agents))]


def _campaign_rows(profile: DialerProfile, opened: str) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {"vicidial_campaigns": [], "vicidial_campaign_cid_areacodes": []}
    for index, name in enumerate(profile.campaigns):
        numbers = caller_ids(profile, index)
        rows["vicidial_campaigns"].append(
            {
                "campaign_id": name,
                "campaign_name": f"Campaign {name}",
                "campaign_description": "",
                "active": "Y",
                "dial_method": "RATIO",
                "auto_dial_level": "2.0",
                "dial_statuses": " NEW NA AA -",
                "dial_timeout": 26,
                "campaign_cid": numbers[0],
                "use_custom_cid": "AREACODE",
                "campaign_changedate": opened,
            }
        )
        rows["vicidial_campaign_cid_areacodes"] += [
            {"campaign_id": name, "areacode": number[:3], "outbound_cid": number, "active": "Y", "cid_description": f"{name} {n}"}
            for n, number in enumerate(numbers)
        ]
    return rows


def catalog_rows(
    profile: DialerProfile, lists: tuple[int, ...], local_gmt: float, opened: str
) -> dict[str, list[dict[str, Any]]]:
    """Rows by table; the first campaign's SALE is shadowed by a campaign status, as on many sites."""
    shadow = next(row for row in status_rows() if row["status"] == "SALE")
    return (
        _campaign_rows(profile, opened)
        | {
            "vicidial_statuses": list(status_rows()),
            "vicidial_campaign_statuses": [
                {**shadow, "campaign_id": profile.campaigns[0], "customer_contact": "Y"},
                {**shadow, "campaign_id": profile.campaigns[0], "status": "QUOTE", "status_name": "Quote sent", "sale": "N"},
            ],
            "vicidial_lists": [
                {
                    "list_id": list_id,
                    "list_name": f"List {list_id}",
                    "campaign_id": campaign_of_list(profile, n),
                    "active": "Y",
                    "list_description": "",
                    "list_changedate": opened,
                    "list_lastcalldate": None,
                }
                for n, list_id in enumerate(lists)
            ],
            "vicidial_inbound_groups": [
                {"group_id": group, "group_name": f"Group {group}", "active": "Y", "queue_priority": 0}
                for group in profile.inbound_groups
            ],
            "vicidial_users": [
                {"user": user, "full_name": f"Agent {user}", "user_level": 1, "user_group": USER_GROUP, "active": "Y"}
                for user in agents(profile)
            ],
        }
        | _machine_rows(profile, local_gmt)
    )


def _machine_rows(profile: DialerProfile, local_gmt: float) -> dict[str, list[dict[str, Any]]]:
    gmt = f"{local_gmt:.2f}"
    server = {"server_id": "dialer1", "server_description": profile.instance, "server_ip": SERVER_IP, "active": "Y"}
    settings = {"version": "2.14b0.5", "svn_version": "3939", "db_schema_version": 1728, "use_non_latin": "0"}
    return {
        "servers": [{**server, "asterisk_version": "16.30.0", "local_gmt": gmt}],
        "system_settings": [{**settings, "default_local_gmt": gmt, "noanswer_log": "N"}],
    }
