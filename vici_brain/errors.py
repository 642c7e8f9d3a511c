"""What can go wrong, grouped by remedy, so that callers catch a base and never a bare ``Exception``.

Belongs here: exception classes and the scrubbing of secrets out of texts that leave the process.
Does not: deciding whether to retry (flows) or whom to tell (sensors).
"""

import re

_URL_PASSWORD = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://[^:/@\s]*):(?P<password>[^\s]*)@(?=[^@\s]*(?:[\s/?]|$))", re.IGNORECASE
)
_KEY_VALUE = re.compile(
    r"(?P<key>(?<![^\W_])(?:pass(?:word|wd)?|pwd|secret|token|api_?key)\b['\"]?\s*[=:]\s*)"
    r"(?P<value>'[^']*'|\"[^\"]*\"|[^\s&,;)|]+)",
    re.IGNORECASE,
)
_LOGIN_ECHO = re.compile(r"(Login incorrect[^|]*\|[^|]*\|).*(\|)", re.IGNORECASE)


def scrub(text: str, *secrets: str) -> str:
    """``text`` without passwords: in URLs, in ``password=…`` pairs, in the dialer's login echo, and every given secret.

    The dialer's API answers a failed login with the password in clear, so no foreign text may leave the process unscrubbed.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _URL_PASSWORD.sub(r"\g<scheme>:***@", text)
    text = _KEY_VALUE.sub(r"\g<key>***", text)
    return _LOGIN_ECHO.sub(r"\1***\2", text)


class ViciBrainError(Exception):
    """Base of every error this project raises on purpose; its text says what is wrong, where, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(scrub(message))


class ConfigurationError(ViciBrainError):
    """Somebody must change a setting, a grant or a clock; trying again cannot help."""


class RetriableError(ViciBrainError):
    """The same call may succeed later: a host that is down, a lock that was held, a statement that ran out of time."""


class BusyError(RetriableError):
    """Another run holds the lane; it is not an error of this run's own."""


class CircuitOpenError(RetriableError):
    """A circuit breaker refused at once: what it guards failed several times in a row and rests until a probe."""


class DifferenceError(ViciBrainError):
    """Brain and a dialer were found not to hold the same; the finding itself has been written down already."""
