"""Opening what a dialer is written with, as the settings say.

Belongs here: which writer serves which purpose, and the refusals when a secret is missing. Does not: writing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine

from vici_brain.brain.api_logins import ApiLogins
from vici_brain.domain.write_back_policy import WriteAccess
from vici_brain.errors import ConfigurationError
from vici_brain.vici.api_writer import NonAgentApi
from vici_brain.vici.lead_writer import CodeWriter, LeadAdder
from vici_brain.vici.sql_writer import SqlCodeWriter


@contextmanager
def code_writer(instance: str, access: WriteAccess | None, brain: Engine, clock: Callable[[], datetime]) -> Iterator[CodeWriter]:
    """SQL where a write login is configured, else the API; closed at the end."""
    access = _granted(instance, access)
    writer: CodeWriter = (
        SqlCodeWriter(instance, access.url.get_secret_value()) if access.url else _api(instance, access, brain, clock)
    )
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def lead_adder(instance: str, access: WriteAccess | None, brain: Engine, clock: Callable[[], datetime]) -> Iterator[LeadAdder]:
    """The API: the write login of SQL may not insert."""
    api = _api(instance, _granted(instance, access), brain, clock)
    try:
        yield api
    finally:
        api.close()


def _granted(instance: str, access: WriteAccess | None) -> WriteAccess:
    if access is None:
        raise ConfigurationError(
            f"{instance}: nothing may be written to this dialer: configure its [dialers.write_back] (docs/configuration.md)"
        )
    if access.missing:
        raise ConfigurationError(
            f"{instance}: the environment lacks {', '.join(access.missing)}, which [dialers.write_back] names"
        )
    return access


def _api(instance: str, access: WriteAccess, brain: Engine, clock: Callable[[], datetime]) -> NonAgentApi:
    policy = access.policy
    if policy.api_url is None or policy.api_user is None or access.api_password is None:
        raise ConfigurationError(f"{instance}: [dialers.write_back] names no API: give api_url, api_user and api_password_env")
    guard = ApiLogins(brain, instance, policy.api_user, clock)
    password = access.api_password.get_secret_value()
    return NonAgentApi(
        instance, policy.api_url, policy.api_user, password, guard, source=policy.api_source, seconds=policy.api_seconds
    )
