"""How leads are imported by the clock: the ``[leads]`` table of the configuration.

Belongs here: the settings' names, bounds and defaults. Does not: reading the file (settings).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class LeadPolicy(BaseModel):
    """What the scheduled import does; the command line names its campaigns itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    campaigns: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Campaigns whose leads become leads of Brain; without any, the dialers' leads are read and audited, and none is imported."""
    sweep_rows: Annotated[int, Field(ge=100, le=50_000)] = 5_000
    """How many leads a step of the rolling sweep reads again."""
