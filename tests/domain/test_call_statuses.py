"""The dialer's vocabulary of statuses."""

import pytest

from vici_brain.domain.statuses import FLAGS, PREFIXES_WITHOUT_ROW, TRANSIENT, WITHOUT_ROW
from vici_brain.vici import schema


@pytest.mark.parametrize("status", ["", "NEW", "QUEUE", "INCALL", "DISPO", "PU", "LIVE", "ALTNUM"])
def test_a_call_that_still_moves_is_known_by_its_status(status: str) -> None:
    assert status in TRANSIENT


@pytest.mark.parametrize("status", ["SALE", "NA", "AA", "DROP", "DNC", "XFER"])
def test_an_outcome_is_not_taken_for_a_call_that_still_moves(status: str) -> None:
    assert status not in TRANSIENT


def test_codes_that_programs_write_without_a_row_are_known_and_fit_the_column() -> None:
    assert {"DISPO", "DONEM", "DNCCAR", "VM"} <= WITHOUT_ROW
    assert all(0 < len(status) <= 6 for status in (*WITHOUT_ROW, *PREFIXES_WITHOUT_ROW))


def test_every_flag_is_a_column_of_both_status_tables() -> None:
    for table in (schema.vicidial_statuses, schema.vicidial_campaign_statuses):
        assert set(FLAGS) <= set(table.c.keys())
