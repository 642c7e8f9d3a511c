"""What a lead's code and a phone number look like, and when two of them are the same.

Belongs here: formats and normal forms. Does not: looking either of them up (brain) or allocating a code (brain).
``normalised_phone`` in PostgreSQL is the same rule in SQL; a property test holds the two together.
"""

import re

EXTERNAL_LEAD_ID = re.compile(r"[0-9]{13}\Z")
_NANP = "1"
_FILLERS = {"0123456789", "1234567890"}


def is_external_lead_id(code: str | None) -> bool:
    """True for exactly 13 ASCII digits, the form of Brain's ``external_lead_id``."""
    return code is not None and EXTERNAL_LEAD_ID.match(code) is not None


def normalised_phone(phone_code: str | None, phone_number: str | None) -> str | None:
    """Digits of the E.164 form without ``+``, or ``None`` for what is no public number (``anonymous``, short codes, blank).

    ViciDial keeps the country code apart (``phone_code``), but loaders also store it inside the number, and inbound rows hold
    the raw caller ID. A number with ``+`` speaks for itself; a missing code means the North American ``1``.
    """
    number = phone_number or ""
    digits = re.sub(r"[^0-9]", "", number)
    code = re.sub(r"[^0-9]", "", phone_code or "").lstrip("0") or _NANP
    if number.lstrip(" ").startswith("+"):
        key = digits
    elif code == _NANP:
        key = _north_american(digits)
    else:
        national = digits.removeprefix("00")
        key = national if national.startswith(code) and len(national) > 10 else code + national.lstrip("0")
    return key if 8 <= len(key) <= 15 else None


def is_filler(phone_key: str) -> bool:
    """Whether a number was put in because a form wanted one: leads that share it are not one person."""
    last = phone_key[-10:]
    return len(set(last)) == 1 or last in _FILLERS


def is_of_country(phone_key: str, phone_code: str) -> bool:
    """Whether a dialer that dials ``phone_code`` and the rest reaches this number, and not a stranger."""
    return phone_key.startswith(phone_code) and (phone_code != _NANP or len(phone_key) == 11)


def _north_american(digits: str) -> str:
    if len(digits) == 10:
        return _NANP + digits
    if len(digits) == 11 and digits.startswith(_NANP):
        return digits
    if len(digits) > 11 and digits.startswith("011"):
        return digits[3:]
    return ""
