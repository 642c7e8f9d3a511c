"""The addresses that alerts go to: what sending needs of one, and Apprise's many services behind it.

Belongs here: delivering one text and saying how each address fared. Does not: what is said, when, or remembering it.

An address is named by its service and its number in ALERT_URLS. Its URL holds tokens in every part, and is never shown.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import SecretStr

from vici_brain.domain.alert_text import Text
from vici_brain.errors import scrub

_TYPES = {"critical": "failure", "warning": "warning", "info": "info"}
_SHORTEST_SECRET = 4


class Channels(Protocol):
    """What a round needs: the names of the addresses, and one text delivered to all of them."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def deliver(self, text: Text) -> Mapping[str, str | None]:
        """What went wrong at each address by name; None where it was taken."""
        ...


class AppriseChannels:
    """Each URL by itself, so that one that fails is known and does not hold up the others."""

    def __init__(self, urls: Sequence[SecretStr]) -> None:
        self._urls = {f"{_service(url)} {number}": url for number, url in enumerate(urls, 1)}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._urls)

    def deliver(self, text: Text) -> dict[str, str | None]:
        return {name: _deliver(url.get_secret_value(), text) for name, url in self._urls.items()}


def _deliver(url: str, text: Text) -> str | None:
    # Half a second of imports, for rounds that have something to say.
    import apprise  # noqa: PLC0415

    with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as captured:  # type: ignore[no-untyped-call]
        service = apprise.Apprise.instantiate(url)
        if service is None:
            return "its address is no Apprise URL; see https://github.com/caronc/apprise for the forms"
        if "overflow=" not in url:
            # As it stands it sends what is too long for a service and lets it be refused: an outage of many troubles, untold.
            service.overflow_mode = apprise.OverflowMode.SPLIT
        target = apprise.Apprise(service)
        done = target.notify(
            title=text.title,
            body=text.body,
            notify_type=apprise.NotifyType(_TYPES[text.severity]),
            body_format=apprise.NotifyFormat.MARKDOWN,
        )
        said = captured.getvalue()
    return None if done else without_secrets(said, url) or "it was not delivered, and the service did not say why"


def without_secrets(said: str, url: str) -> str:
    """What a service said on one line, with nothing of its address in it."""
    parts = sorted({part for part in re.split(r"[/:@?&=,\s]+", url) if len(part) >= _SHORTEST_SECRET}, key=len, reverse=True)
    return scrub(" ".join(said.split()), url, *parts)[:300]


def _service(url: SecretStr) -> str:
    scheme = url.get_secret_value().partition("://")[0].lower()
    return scheme if re.fullmatch(r"[a-z0-9+.-]{1,20}", scheme) else "address"
