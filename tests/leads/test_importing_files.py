"""F060 to F062: files of leads, whatever they look like, with every bad row told and the rest taken in."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import add_lead, ask, land, one, raw_row
from lead_sites import CODE, OTHER_CODE, LeadSite, lead_site
from sqlalchemy import Engine, text

from vici_brain.domain.identifiers import is_external_lead_id
from vici_brain.errors import ConfigurationError
from vici_brain.flows import import_csv as flow
from vici_brain.flows.import_csv import CsvImport, CsvOrder, import_csv


@pytest.fixture
def site(brain: Engine, tmp_path: Path) -> Iterator[LeadSite]:
    with lead_site(f"sqlite:///{tmp_path}/dialer.db", brain) as opened:
        yield opened


def take(brain: Engine, path: Path, content: str | bytes, **options: Any) -> CsvImport:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_csv(brain, CsvOrder(path, "somebody", instances=("vici",), **options))


def rejects(done: CsvImport) -> list[list[str]]:
    with Path(done.rejects_file).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


SHAPES = {
    "plain": ("Phone,First Name,LAST_NAME\n2125550101,José,Müller\n", "utf-8"),
    "semicolons and a BOM": (" phone number ;first;Surname\r\n2125550101;José;Müller\r\n", "utf-8-sig"),
    "tabs in Latin-1": ("Telephone\tFirstName\tLast Name\n2125550101\tJosé\tMüller\n", "cp1252"),
    "UTF-16 with pipes": ("phone|fname|lname\n2125550101|José|Müller\n", "utf-16"),
    "a full name": ('Mobile,Full Name\n"(212) 555-0101","José Müller"\n', "utf-8"),
    "UTF-16 without a mark": ("phone,first,last\r\n2125550101,José,Müller\r\n", "utf-16-le"),
    "UTF-16 the other way round": ("phone,first,last\n2125550101,José,Müller\n", "utf-16-be"),
    "UTF-32": ("phone,first,last\n2125550101,José,Müller\n", "utf-32"),
    "encoded twice": ("phone,first,last\n2125550101," + "José,Müller".encode().decode("latin-1") + "\n", "utf-8"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_is_read_in_any_encoding_and_shape(brain: Engine, tmp_path: Path, shape: str) -> None:  # F060
    content, encoding = SHAPES[shape]
    done = take(brain, tmp_path / "leads.csv", content.encode(encoding))
    assert (done.rows, done.created, done.rejected) == (1, 1, 0)
    assert ask(brain, "SELECT first_name, last_name, source, status FROM leads") == [("José", "Müller", "csv", "RECEIVED")]
    assert is_external_lead_id(one(brain, "SELECT external_lead_id FROM leads"))


def test_each_bad_row_is_told_with_its_line_and_reason_and_the_rest_is_taken_in(brain: Engine, tmp_path: Path) -> None:
    content = (
        b"phone,external_lead_id,name\n"
        b"2125550101,,Ada\n"
        b"not a number,,Ben\n"
        b"9999999999,,Bob\n"
        b"\n"
        b'2125550102,,"Cleo\nof two lines"\n'
        b"2125550103,123,Dan\n"
        b"2125550104,,Eva,too many\n"
        b"2125550105,,Fi\xffnn\n"
        b",,Grace\n"
        b"2125550106,1755041041000,Hugo\n"
    ) + b"2125550107,,Iris\xc3\xa9\n" * 2
    done = take(brain, tmp_path / "leads.csv", b"\xef\xbb\xbf" + content)
    assert done.encoding == "utf-8-sig" or done.rejected
    told = rejects(done)
    assert told[0] == ["line", "reason", "row"]
    assert [row[0] for row in told[1:]][:3] == ["3", "4", "8"]
    assert "no phone number: 'not a number'" in told[1][1]
    assert "no phone number: '9999999999'" in told[2][1]
    assert "13 digits" in told[3][1]
    assert "4 fields where the header has 3" in told[4][1]
    assert done.rows == done.rejected + done.repeated + done.created
    phones = {phone for (phone,) in ask(brain, "SELECT phone FROM leads")}
    assert {"2125550101", "2125550102", "2125550106", "2125550107"} <= phones
    assert "2125550103" not in phones


def test_a_byte_that_is_no_utf8_in_a_file_that_is_costs_its_row_alone(brain: Engine, tmp_path: Path) -> None:
    rows = b"".join(b"21255501%02d,Zo\xc3\xab\n" % n for n in range(20))
    done = take(brain, tmp_path / "leads.csv", b"phone,name\n" + rows + b"2125550150,J\xe9\n2125550151,Ben\n")
    assert (done.created, done.rejected) == (21, 1)
    assert rejects(done)[1] == ["22", "bytes that the file's encoding has not", "2125550150", "J\\udce9"]


def test_the_only_accented_name_may_stand_at_the_end_of_a_long_file(brain: Engine, tmp_path: Path) -> None:
    # Longer than what is read at a time: the bytes before say nothing about the encoding.
    rows = "".join(f"2125550101,{n},{'x' * 90}\n" for n in range(12_000))
    content = ("phone,first,comments\n" + rows + "2125550102,José,last\n").encode("cp1252")
    done = take(brain, tmp_path / "leads.csv", content)
    assert (len(content) > 1 << 20, done.encoding, done.rejected) == (True, "cp1252", 0)
    assert ask(brain, "SELECT first_name FROM leads ORDER BY id") == [("0",), ("José",)]


def test_a_file_that_ends_in_half_a_character_loses_its_last_row_only(brain: Engine, tmp_path: Path) -> None:
    content = "phone,first\n2125550101,Ada\n2125550102,Ben".encode("utf-16") + b"\x41"
    done = take(brain, tmp_path / "leads.csv", content)
    assert (done.created, done.rejected) == (1, 1)


def test_the_encoding_and_the_meaning_of_columns_can_be_said(brain: Engine, tmp_path: Path) -> None:
    content = "Telefon,Phone,Imię\n2125550101,old,Łukasz\n".encode("cp1250")
    (tmp_path / "leads.csv").write_bytes(content)
    columns = {"telefon": "phone", "Phone": "", "IMIĘ": "first name"}
    done = import_csv(brain, CsvOrder(tmp_path / "leads.csv", "somebody", encoding="CP1250", columns=columns))
    assert (done.encoding, done.created, done.ignored_columns) == ("cp1250", 1, ("Phone",))
    assert ask(brain, "SELECT phone, first_name FROM leads") == [("2125550101", "Łukasz")]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"encoding": "klingon"}, "'klingon' is no encoding"),
        ({"encoding": "base64"}, "'base64' is no encoding"),
        ({"columns": {"Name": "colour"}}, "'colour' is no field of a lead: .*external_lead_id.*phone_number"),
        ({"columns": {"Colour": "city"}}, "the file has no column 'Colour'; the first line has phone, name"),
    ],
)
def test_an_encoding_or_a_column_that_is_none_is_said(brain: Engine, tmp_path: Path, order: dict[str, Any], said: str) -> None:
    (tmp_path / "leads.csv").write_text("phone,name\n2125550101,Ada\n")
    with pytest.raises(ConfigurationError, match=said):
        import_csv(brain, CsvOrder(tmp_path / "leads.csv", "somebody", **order))


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(brain: Engine, tmp_path: Path) -> None:
    rows = "".join(f"212{555_0000 + n:07},{'x' * 90}\n" for n in range(2_000))
    done = take(brain, tmp_path / "leads.csv", 'phone,comments\n2125559999,fine\n2125559998,"open\n' + rows)
    assert done.rejected >= 1
    assert rejects(done)[1][0] == "3"
    assert done.created > 1_200


def test_the_same_file_again_changes_nothing(brain: Engine, tmp_path: Path) -> None:
    content = "phone,name\n" + "".join(f"212555{n:04},Ada {n}\n" for n in range(50))
    for options in ({}, {"update_existing": True}):
        take(brain, tmp_path / "leads.csv", content, **options)
        before = ask(brain, "SELECT to_jsonb(leads) FROM leads ORDER BY id")
        done = take(brain, tmp_path / "leads.csv", content, **options)
        assert (done.created, done.updated, done.existing, done.import_id) == (0, 0, 50, None)
        assert ask(brain, "SELECT to_jsonb(leads) FROM leads ORDER BY id") == before


def test_existing_leads_are_updated_only_when_that_is_asked_for(brain: Engine, tmp_path: Path) -> None:  # F060
    add_lead(brain, 7, phone="(212) 555-0101", code=CODE)
    content = "phone,first name,email\n2125550101,Ada,\n"
    assert take(brain, tmp_path / "leads.csv", content).updated == 0
    assert one(brain, "SELECT first_name FROM leads") is None
    assert take(brain, tmp_path / "leads.csv", content, update_existing=True).updated == 1
    assert ask(brain, "SELECT id, first_name, email, external_lead_id FROM leads") == [(7, "Ada", None, CODE)]
    take(brain, tmp_path / "leads.csv", "phone,first name\n2125550101,\n", update_existing=True)
    assert one(brain, "SELECT first_name FROM leads") == "Ada"


def test_a_number_that_a_dialer_has_comes_in_with_its_vici_lead(site: LeadSite, tmp_path: Path) -> None:  # F061, F062
    site.lead(1, "2125550101", vendor_lead_code=CODE)
    site.lead(2, "2125550102", vendor_lead_code=OTHER_CODE)
    site.take_in("Autodial")
    assert site.count("leads") == 0
    land(site.brain, [raw_row(key="c.1", vici_lead_id=1, phone_number="")])
    done = take(site.brain, tmp_path / "leads.csv", "phone\n+1 212 555 0101\n2125550103\n", match_vici=True)
    assert (done.created, done.found_at_dialers, done.linked, done.matched_calls) == (2, 1, 1, 1)
    lead = site.brain_lead(1)
    assert (lead["external_lead_id"], lead["meta"]["vici_lead_id"], lead["meta"]["origin"]) == (CODE, 1, "csv_import")
    assert one(site.brain, "SELECT count(*) FROM leads WHERE meta ? 'vici_lead_id'") == 1
    again = take(site.brain, tmp_path / "leads.csv", "phone\n+1 212 555 0101\n2125550103\n", match_vici=True)
    assert (again.created, again.updated, again.linked) == (0, 0, 0)


@pytest.mark.parametrize("way", ["a file", "a dialer"])
def test_a_number_that_was_forbidden_once_is_so_for_every_lead_that_comes_with_it(
    site: LeadSite, tmp_path: Path, way: str
) -> None:
    held = "lead_id, restriction, reason, phone_key, first_seen_at, last_seen_at"
    with site.brain.begin() as connection:
        row = "900, 'DO_NOT_CALL', 'asked not to be called', '12125550101', now(), now()"
        connection.execute(text(f"INSERT INTO lead_call_restrictions ({held}) VALUES ({row})"))
    if way == "a file":
        take(site.brain, tmp_path / "leads.csv", "phone\n2125550101\n2125550102\n")
    else:
        site.lead(1, "2125550101")
        site.lead(2, "2125550102")
        site.take_in()
        assert site.take_in().rows_changed == 0
    assert ask(site.brain, "SELECT status FROM leads ORDER BY phone") == [("DO_NOT_CALL",), ("RECEIVED",)]


def test_without_match_vici_the_dialers_are_not_asked(site: LeadSite, tmp_path: Path) -> None:
    site.lead(1, "2125550101", vendor_lead_code=CODE)
    site.take_in("Autodial")
    done = take(site.brain, tmp_path / "leads.csv", "phone\n2125550101\n")
    assert (done.found_at_dialers, done.linked) == (0, 0)
    assert one(site.brain, "SELECT external_lead_id FROM leads") != CODE


@pytest.mark.parametrize("dry_run", [True, False])
def test_of_rows_of_one_number_the_first_stands_however_far_apart_they_are(
    brain: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    monkeypatch.setattr(flow, "BATCH", 2)
    content = "phone,first\n2125550101,Ada\n12125550101,Ben\n(212)5550101,Cleo\n2125550102,Dan\n"
    done = take(brain, tmp_path / "leads.csv", content, update_existing=True, dry_run=dry_run)
    assert (done.rows, done.created, done.repeated, done.existing) == (4, 2, 2, 0)
    if not dry_run:
        assert ask(brain, "SELECT first_name FROM leads ORDER BY id") == [("Ada",), ("Dan",)]
        again = take(brain, tmp_path / "leads.csv", content, update_existing=True)
        assert (again.created, again.updated, again.existing, again.import_id) == (0, 0, 2, None)


def test_a_file_leaves_the_status_of_leads_that_brain_has(site: LeadSite, tmp_path: Path) -> None:
    site.lead(1, "2125550101", status="SALE", called_count=1)
    site.take_in()
    content = "phone,first name\n2125550101,Ada\n"
    for options in ({"update_existing": True}, {"match_vici": True}):
        take(site.brain, tmp_path / "leads.csv", content, **options)
        assert (site.brain_lead(1)["status"], site.brain_lead(1)["first_name"]) == ("SOLD", "Ada")
    site.site.run("UPDATE vicidial_list SET status = 'NA'")
    site.take_in()
    # It still follows the dialer: the file was nobody's word in Brain.
    assert site.brain_lead(1)["status"] == "NO_ANSWER"


def test_a_number_that_must_not_be_called_at_a_dialer_comes_in_as_such(site: LeadSite, tmp_path: Path) -> None:  # F062, F067
    flags = "human_answered, sale, dnc, customer_contact, not_interested, unworkable, scheduled_callback, completed"
    with site.brain.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO vici_statuses (instance, campaign_id, status, {flags}, answering_machine, synced_at)"
                " VALUES ('vici', '', 'NEVER', false, false, true, false, false, false, false, false, false, now())"
            )
        )
    called: dict[str, Any] = {"called_count": 2, "last_local_call_time": "2025-06-05 11:00:00"}
    site.lead(1, "2125550101", status="DNC")
    site.lead(2, "12125550101", status="SALE", **called)
    site.lead(3, "2125550103", status="NEVER")
    site.lead(4, "2125550104", status="NA", **called)
    site.lead(5, "2125550105", status="DNCL", table="vicidial_list_archive")
    add_lead(site.brain, 900, phone="2125550105")
    site.take_in("Retent")
    content = "phone\n" + "".join(f"212555010{n}\n" for n in (1, 3, 4, 5, 6))
    done = take(site.brain, tmp_path / "leads.csv", content, match_vici=True)
    assert (done.created, done.found_at_dialers, done.linked) == (4, 4, 5)
    statuses = dict(ask(site.brain, "SELECT right(phone, 1), status FROM leads"))
    assert statuses == {"1": "DO_NOT_CALL", "3": "DO_NOT_CALL", "4": "NO_ANSWER", "5": "DO_NOT_CALL", "6": "RECEIVED"}
    meta = site.brain_lead(2)["meta"]
    assert (meta["vici_lead_id"], meta["vici_status"], meta["vici_called_count"]) == (2, "SALE", 2)
    assert meta["last_call_date"] == "2025-06-05 11:00:00"
    again = take(site.brain, tmp_path / "leads.csv", content, match_vici=True)
    assert (again.created, again.updated, again.linked, again.import_id) == (0, 0, 0, None)
    assert site.take_in().rows_changed == 0


def test_a_dry_run_counts_and_writes_nothing(brain: Engine, tmp_path: Path) -> None:  # F080
    done = take(brain, tmp_path / "leads.csv", "phone\n2125550101\nnobody\n", dry_run=True)
    assert (done.created, done.rejected, done.rejects_file) == (1, 1, "")
    assert [one(brain, f"SELECT count(*) FROM {name}") for name in ("leads", "lead_imports", "sync_logs")] == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["leads.csv"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,city\nAda,Newark\n", "no column is the phone number; the first line has name, city"),
        ("", "no column is the phone number; the first line has nothing"),
        ("phone,mobile\n1,2\n", "two columns are the phone number"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(brain: Engine, tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        take(brain, tmp_path / "leads.csv", content)


def test_how_far_a_file_was_read_is_told_up_to_its_end(brain: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "BATCH", 1_000)
    (tmp_path / "leads.csv").write_text("phone,name\n" + "".join(f"212{555_0000 + n:07},{'x' * 40}\n" for n in range(2_500)))
    heard: list[int] = []
    import_csv(brain, CsvOrder(tmp_path / "leads.csv", "somebody", dry_run=True), heard.append)
    assert heard == sorted(heard)
    assert (heard[0] > 0, len(heard), heard[-1]) == (True, 4, (tmp_path / "leads.csv").stat().st_size)


def test_a_file_that_is_not_there_is_said_in_one_line(brain: Engine, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"leads\.csv cannot be read: No such file"):
        import_csv(brain, CsvOrder(tmp_path / "leads.csv", "somebody"))
