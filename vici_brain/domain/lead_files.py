"""Files of leads: which column is which, and what makes a row unusable.

Belongs here: header names, and the reading of one row. Does not: bytes, encodings and lines (flows/import_csv) or writing
(brain).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from vici_brain.domain.identifiers import is_external_lead_id, is_filler, normalised_phone
from vici_brain.domain.lead_import import PROFILE
from vici_brain.domain.lead_text import mended
from vici_brain.errors import ConfigurationError

# Names as people write them, in lower case and without anything but letters and digits.
_SYNONYMS: Mapping[str, str] = {
    **dict.fromkeys(
        ("phone", "phonenumber", "telephone", "tel", "mobile", "cell", "cellphone", "homephone", "phone1"), "phone_number"
    ),
    **dict.fromkeys(("phonecode", "countrycode", "dialcode"), "phone_code"),
    **dict.fromkeys(("externalleadid", "externalid", "vendorleadcode", "leadid", "vendorid"), "code"),
    **dict.fromkeys(("firstname", "first", "fname", "givenname"), "first_name"),
    **dict.fromkeys(("lastname", "last", "lname", "surname", "familyname"), "last_name"),
    **dict.fromkeys(("name", "fullname", "contact", "contactname"), "name"),
    **dict.fromkeys(("email", "emailaddress", "mail"), "email"),
    **dict.fromkeys(("address", "address1", "street", "streetaddress", "addressline1"), "address1"),
    **dict.fromkeys(("city", "town"), "city"),
    **dict.fromkeys(("state", "province", "region", "st"), "state"),
    **dict.fromkeys(("zip", "zipcode", "postalcode", "postcode"), "postal_code"),
    **dict.fromkeys(("dob", "dateofbirth", "birthdate", "birthday"), "date_of_birth"),
    **dict.fromkeys(("altphone", "alternatephone", "phone2", "secondaryphone", "workphone"), "alt_phone"),
    **dict.fromkeys(("comments", "comment", "notes", "note"), "comments"),
    "owner": "owner",
}


@dataclass(frozen=True, slots=True)
class FileLead:
    """One row: what Brain needs of it."""

    line: int
    phone_number: str
    phone_key: str
    code: str | None
    profile: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Header:
    """Where each field stands; ``ignored`` are the names that mean nothing here."""

    places: Mapping[str, int]
    width: int
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], columns: Mapping[str, str] = MappingProxyType({})) -> "Header":
        """The header row ``names``; ``columns`` says what a name means here, before what it usually does (blank: nothing).

        Raises ConfigurationError where there is no phone, or one field twice, and for what ``columns`` names in vain.
        """
        places: dict[str, int] = {}
        ignored = []
        said = _said(names, columns)
        for place, name in enumerate(names):
            field = said.get(_plain(name), _SYNONYMS.get(_plain(name))) or None
            if field is None:
                ignored.append(mended(name))
            elif field in places:
                raise ConfigurationError(
                    f"two columns are the {field.replace('_', ' ')}: rename or remove one of {', '.join(names)}"
                )
            else:
                places[field] = place
        if "phone_number" not in places:
            shown = ", ".join(mended(name) for name in names[:20]) or "nothing"
            raise ConfigurationError(
                f"no column is the phone number; the first line has {shown}. Name one of them phone, or say which it is: "
                '--column "NAME=phone"'
            )
        return cls(places, len(names), tuple(ignored))

    def read(self, row: Sequence[str], line: int) -> FileLead:
        """The row as a lead; raises ValueError with the reason why it is none."""
        if len(row) != self.width:
            raise ValueError(f"{len(row)} fields where the header has {self.width}")
        if any("\udc80" <= character <= "\udcff" for value in row for character in value):
            raise ValueError("bytes that the file's encoding has not")
        values = {field: mended(row[place]) for field, place in self.places.items()}
        number = values["phone_number"]
        key = normalised_phone(values.get("phone_code"), number)
        if key is None or is_filler(key):
            raise ValueError(f"no phone number: {number!r}" if number else "no phone number")
        code = values.get("code") or None
        if code is not None and not is_external_lead_id(code):
            raise ValueError(f"{code!r} is no external_lead_id: 13 digits, or leave it empty")
        return FileLead(line, number if values.get("phone_code", "1") in {"", "1"} else f"+{key}", key, code, _profile(values))


def _plain(name: str) -> str:
    return re.sub(r"[^\w]|_", "", mended(name).lower().removeprefix("\ufeff"))


def _said(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    known = {"external_lead_id", *_SYNONYMS.values()} - {"code"}
    present, said = {_plain(name) for name in names}, dict[str, str]()
    for name, meaning in columns.items():
        field = _SYNONYMS.get(_plain(meaning), "") if meaning.strip() else ""
        if meaning.strip() and not field:
            raise ConfigurationError(f"{meaning!r} is no field of a lead: {', '.join(sorted(known))}")
        if _plain(name) not in present:
            raise ConfigurationError(f"the file has no column {name!r}; the first line has {', '.join(names[:20]) or 'nothing'}")
        said[_plain(name)] = field
    return said


def _profile(values: Mapping[str, str]) -> dict[str, str]:
    profile = {name: values[name] for name in PROFILE if values.get(name)}
    first, _, last = values.get("name", "").partition(" ")
    split = {name: value.strip() for name, value in (("first_name", first), ("last_name", last)) if value.strip()}
    return split | profile
