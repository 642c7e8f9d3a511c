"""Names and addresses as people wrote them: text that was encoded twice is mended, what no table can hold is taken out.

Belongs here: repair of single values. Does not: which fields are read (vici/lead_reader, flows/import_csv).
"""

_HOLES = {chr(byte): bytes([byte]) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}


def mended(value: str) -> str:
    """``value`` without NUL and surrogates, trimmed; UTF-8 that was taken for Latin-1 and encoded again is turned back."""
    plain = value.replace("\x00", "").encode(errors="replace").decode()
    return (plain if plain.isascii() else _decoded_once_less(plain)).replace("\x00", "").strip()


def _decoded_once_less(text: str) -> str:
    """A text that happens to be valid UTF-8 when written as Latin-1 was one: by chance that is next to impossible."""
    try:
        return b"".join(_byte(character) for character in text).decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def _byte(character: str) -> bytes:
    """MySQL's latin1: Windows-1252, but with its five holes kept as they are."""
    return _HOLES[character] if character in _HOLES else character.encode("cp1252" if ord(character) > 0x9F else "latin-1")
