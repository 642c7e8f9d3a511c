"""Codes of leads and normal forms of phones, against Google's libphonenumber and against the same rule in PostgreSQL."""

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat as Form
from sqlalchemy import Engine, text

from vici_brain.domain.identifiers import is_external_lead_id, normalised_phone

stable = settings(derandomize=True, deadline=None, max_examples=200)
numbers = {
    "1": st.builds(lambda area, rest: f"{area}{rest}", st.integers(201, 989), st.integers(2_000_000, 9_999_999)),
    "44": st.from_regex(r"(20[378][0-9]{7}|1[0-9]{9}|7[1-9][0-9]{8})", fullmatch=True),
    "49": st.from_regex(r"(30[1-9][0-9]{6}|1[567][0-9]{8,9}|[2-9][0-9]{8,9})", fullmatch=True),
}


def e164(code: str, national: str) -> str | None:
    """What libphonenumber makes of it, digits only; ``None`` if it is no valid number."""
    parsed = phonenumbers.parse(f"+{code}{national}", None)
    return phonenumbers.format_number(parsed, Form.E164)[1:] if phonenumbers.is_valid_number(parsed) else None


def as_stored(code: str, national: str) -> list[tuple[str | None, str]]:
    """The ``(phone_code, phone_number)`` in which dialers and loaders hold a number."""
    parsed = phonenumbers.parse(f"+{code}{national}", None)
    international, domestic = (phonenumbers.format_number(parsed, form) for form in (Form.INTERNATIONAL, Form.NATIONAL))
    forms: list[tuple[str | None, str]] = [
        (code, national),
        (code, domestic),
        (code, f"{code}{national}"),
        (code, f"+{code}{national}"),
        (code, international),
        ("1", international),
        ("1", f"011{code}{national}") if code != "1" else (None, national),
        (f"0{code}", national),
    ]
    return forms if code == "1" else [*forms, (code, f"00{code}{national}"), (code, f"0{national}")]


@pytest.mark.parametrize("code", numbers)
def test_a_valid_number_has_one_normal_form_however_it_is_stored(code: str) -> None:  # F034
    @stable
    @given(numbers[code])
    def agrees(national: str) -> None:
        expected = e164(code, national)
        assume(expected is not None)
        # '4921…' with code 49 may be an East Frisian number or one with its country code in it: nothing tells them apart.
        assume(code == "1" or not national.startswith(code))
        for phone_code, phone_number in as_stored(code, national):
            # Shorter than any number with its country code in it could be: ambiguous by design, so taken as national.
            if phone_number == f"{code}{national}" and len(phone_number) <= 10:
                continue
            assert normalised_phone(phone_code, phone_number) == expected, (phone_code, phone_number)

    agrees()


@pytest.mark.parametrize(
    "number", ["anonymous", "", None, "unknown", "411", "5550101", "0000", "+1", "Restricted", "1" * 16, "٢١٢٥٥٥٠١٠١٠"]
)
def test_what_is_no_public_number_has_no_normal_form(number: str | None) -> None:
    assert normalised_phone("1", number) is None


def test_numbers_of_two_countries_with_the_same_digits_stay_apart() -> None:
    assert normalised_phone("1", "2075550101") != normalised_phone("44", "2075550101")


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("1755041041000", True),
        ("0000000000000", True),
        ("175504104100", False),
        ("17550410410001", False),
        ("1755041041000\n", False),
        (" 1755041041000", False),
        ("17550410４1000", False),
        ("1755041041O00", False),
        ("", False),
        (None, False),
    ],
)
def test_a_code_is_exactly_thirteen_ascii_digits(code: str | None, right: bool) -> None:  # F036
    assert is_external_lead_id(code) is right


def test_postgresql_normalises_every_text_as_python_does(brain: Engine) -> None:
    pieces = st.text(st.one_of(st.sampled_from("0123456789+ -()x١"), st.characters(exclude_characters="\x00", codec="utf-8")))
    codes = st.one_of(st.none(), st.sampled_from(["", "1", "01", "44", "49", "049", "+1", "x"]), pieces)
    phones = st.one_of(
        st.none(),
        pieces,
        st.from_regex(r"[ ]{0,2}[+]?(00|011|1|44|49|0)?[0-9]{5,13}", fullmatch=True),
    )
    with brain.connect() as connection:
        statement = text("SELECT normalised_phone(CAST(:code AS text), CAST(:number AS text))")

        @settings(derandomize=True, deadline=None, max_examples=400)
        @given(codes, phones)
        def agree(code: str | None, number: str | None) -> None:
            assert connection.scalar(statement, {"code": code, "number": number}) == normalised_phone(code, number)

        agree()
