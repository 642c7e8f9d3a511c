"""Dagster's own instance as this checkout uses it: opened by the demo, prepared for the UI.

Belongs here: joining settings, home and pool limits. Does not: any of these by itself (settings, dagster_home, automation).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from vici_brain.errors import ConfigurationError, RetriableError
from vici_brain.orchestration.automation import pool_limits
from vici_brain.orchestration.dagster_home import dagster_environment, set_pool_limits
from vici_brain.settings import PROJECT, Settings, export, inherited_environment


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[tuple[dict[str, str], dg.DagsterInstance]]:
    """The environment of Dagster's processes, exported to this one too, and the instance they share; pools have their limits."""
    storage = settings.dagster_url.get_secret_value() if settings.dagster_url else None
    environment = dagster_environment(settings.home, base=PROJECT, storage_url=storage, base_environment=inherited_environment())
    if storage is not None:
        _require_storage(environment["DAGSTER_DATABASE_URL"])
    export(environment)
    with dg.DagsterInstance.get() as instance:
        set_pool_limits(instance, pool_limits(settings))
        yield environment, instance


def _require_storage(url: str) -> None:
    """Asks once before Dagster does, which would retry a wrong login for a quarter of a minute and end in a traceback."""
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    try:
        with engine.connect():
            return
    except OperationalError as error:
        said = str(error.orig).strip().splitlines()[0]
        wrong = any(words in said for words in ("authentication failed", "no password supplied", "pg_hba.conf", "does not exist"))
        kind = ConfigurationError if wrong else RetriableError
        raise kind(f"Dagster's database does not let us in: {said}; check DAGSTER_DATABASE_URL and that it runs") from None
