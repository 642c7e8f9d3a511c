"""Dagster's own instance as this checkout uses it: opened by the demo, prepared for the UI.

Belongs here: joining settings, home and pool limits. Does not: any of these by itself (settings, dagster_home, automation).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from vici_brain.orchestration.automation import pool_limits
from vici_brain.orchestration.dagster_home import dagster_environment, set_pool_limits
from vici_brain.settings import PROJECT, Settings, export, inherited_environment


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[tuple[dict[str, str], dg.DagsterInstance]]:
    """The environment of Dagster's processes, exported to this one too, and the instance they share; pools have their limits."""
    storage = settings.dagster_url.get_secret_value() if settings.dagster_url else None
    environment = dagster_environment(
        settings.home, base=PROJECT, storage_url=storage, base_environment=inherited_environment()
    )
    export(environment)
    with dg.DagsterInstance.get() as instance:
        set_pool_limits(instance, pool_limits(settings))
        yield environment, instance
