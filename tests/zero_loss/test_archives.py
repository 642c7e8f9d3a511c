"""A call that moved to the dialer's archive is the same call: what is edited there later is followed, a stale copy is not."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from builders import minutes, one
from dialer_site import Site, site
from sqlalchemy import Engine

from vici_brain.brain.proofs import ProofStore, Scope
from vici_brain.domain.windows import Window

pytestmark = pytest.mark.mariadb
ARCHIVE = "vicidial_log_archive"


@pytest.fixture(params=["MyISAM", "InnoDB"])
def dialer(request: pytest.FixtureRequest, mariadb_url: str, brain: Engine) -> Iterator[Site]:
    with site(mariadb_url, brain, storage=request.param) as opened:
        yield opened


def held(dialer: Site, key: str) -> tuple[str, str, bool]:
    """Status, which copy it came from, and whether its archive copy is known to be stale."""
    row = "SELECT status || ' ' || source_copy || ' ' || ('archive_copy_stale' = ANY(coalesce(row_flags, '{}')))"
    status, copy, stale = str(one(dialer.brain, f"{row} FROM vici_call_logs WHERE source_key = :k", k=key)).split()
    return status, copy, stale == "true"


def moved(dialer: Site) -> str:
    """A call that was proven live, then archived, then proven again where it now is."""
    key = dialer.call(2, status="NI")
    dialer.run_until(6)
    dialer.archive(dialer.at(1000))
    assert not dialer.prove(minutes(60)).differing
    return key


def test_an_edit_of_an_archived_call_is_followed_once_a_proof_found_it_there(dialer: Site) -> None:
    key = moved(dialer)
    assert held(dialer, key) == ("NI", "archive", False)
    dialer.change(key, ARCHIVE, status="SALE")
    assert not dialer.prove(minutes(60)).differing
    assert held(dialer, key) == ("SALE", "archive", False)
    dialer.settle()
    dialer.assert_lossless()


def test_an_edit_before_any_proof_found_it_there_cannot_be_told_from_a_stale_copy(dialer: Site) -> None:
    key = dialer.call(2, status="PU")
    dialer.run_until(6)
    dialer.run("INSERT IGNORE INTO vicidial_log_archive SELECT * FROM vicidial_log")
    dialer.change(key, status="SALE")
    assert not dialer.prove(minutes(60)).differing
    dialer.remove(key)
    assert not dialer.prove(minutes(60)).differing
    assert held(dialer, key) == ("SALE", "archive", True)


def test_an_edit_of_an_archived_call_is_followed_beside_calls_of_its_bucket_that_are_live(dialer: Site) -> None:
    key, other = dialer.call(2, status="NI"), dialer.call(3, status="NI")
    dialer.run_until(6)
    dialer.run("INSERT IGNORE INTO vicidial_log_archive SELECT * FROM vicidial_log")
    dialer.remove(key)
    assert not dialer.prove(minutes(60)).differing
    assert (held(dialer, key)[1], held(dialer, other)[1]) == ("archive", "live")
    dialer.change(key, ARCHIVE, status="SALE")
    dialer.change(other, status="XFER")
    assert not dialer.prove(minutes(60)).differing
    assert (held(dialer, key), held(dialer, other)) == (("SALE", "archive", False), ("XFER", "live", False))
    dialer.settle()
    dialer.assert_lossless()


def test_a_call_that_leaves_the_live_table_during_a_proof_is_not_taken_for_its_stale_archive_copy(
    dialer: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, key = dialer.call(1), dialer.call(2), dialer.call(3, status="PU")
    dialer.run_until(6)
    dialer.run("INSERT IGNORE INTO vicidial_log_archive SELECT * FROM vicidial_log")
    dialer.remove(first)
    dialer.change(key, status="SALE")
    assert not dialer.prove(minutes(60)).differing
    real = ProofStore.judging

    def then_leaves(store: ProofStore, scopes: Sequence[Scope], window: Window) -> Any:
        dialer.remove(key)
        return real(store, scopes, window)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(ProofStore, "judging", then_leaves)
        dialer.prove(minutes(6), repair=False)
    assert held(dialer, key)[:2] == ("SALE", "live")
    assert not dialer.prove(minutes(60)).differing
    assert held(dialer, key) == ("SALE", "archive", True)
    assert held(dialer, second)[1] == "live"


def test_a_dearchived_call_is_live_again_and_followed(dialer: Site) -> None:
    key = moved(dialer)
    dialer.run("INSERT INTO vicidial_log SELECT * FROM vicidial_log_archive")
    dialer.change(key, status="XFER")
    assert not dialer.prove(minutes(60)).differing
    assert held(dialer, key) == ("XFER", "live", False)


def test_a_proof_without_differences_that_notes_the_archive_does_not_reopen_a_bucket(dialer: Site) -> None:
    moved(dialer)
    unproven = "SELECT count(*) FROM call_log_proofs WHERE state <> 'proven'"
    assert one(dialer.brain, unproven) == 0
    before = one(dialer.brain, "SELECT max(changed_at) FROM vici_call_logs")
    assert not dialer.prove(minutes(60)).differing
    assert one(dialer.brain, unproven) == 0
    assert one(dialer.brain, "SELECT max(changed_at) FROM vici_call_logs") == before
