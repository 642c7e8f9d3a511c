"""What the operator decides about expectations: how much dirt is usual, how far a mix may move, how many rows are looked at.

Belongs here: the section ``[expectations]`` of the TOML file. Does not: the expectations (orchestration/expectation_suites).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ExpectationPolicy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mostly: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Share of rows that must have a good format; keys, sets and times allow no exception."""
    most_drift: Annotated[float, Field(gt=0)] = 0.25
    """Stability index above which statuses, campaigns or hours are called another mix."""
    trailing_weeks: Annotated[int, Field(ge=1, le=12)] = 4
    most_rows: Annotated[int, Field(ge=1000, le=2_000_000)] = 200_000
    """Of a longer stretch the newest rows are looked at, and the result says so."""
    keep_days: Annotated[int, Field(ge=1)] = 90
    """Pages of older looks are removed."""
