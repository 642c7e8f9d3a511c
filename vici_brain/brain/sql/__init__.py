"""Statements of Brain's stores, one a file, each saying which index it walks and why; :func:`load` reads them."""

import re
from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text

_SHARED = re.compile(r"\{\{(\w+): (\w+)\}\}")


@cache
def load(name: str) -> TextClause:
    """The statement in ``<name>.sql`` beside this file, with ``:name`` as its bound parameters.

    ``{{part: alias}}`` in it stands for what ``part.sql`` asks of the row ``coming``, here called ``alias``: a guard that several
    statements must share to the letter.
    """
    return text(_SHARED.sub(lambda found: _of(found[1]).replace("coming.", f"{found[2]}."), _of(name)))


def _of(name: str) -> str:
    return files(__name__).joinpath(f"{name}.sql").read_text()
