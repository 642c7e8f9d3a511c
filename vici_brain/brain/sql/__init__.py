"""Statements of Brain's stores, one a file, each saying which index it walks and why; :func:`load` reads them."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def load(name: str) -> TextClause:
    """The statement in ``<name>.sql`` beside this file, with ``:name`` as its bound parameters."""
    return text(files(__name__).joinpath(f"{name}.sql").read_text())
