"""The scenes are honest: the design that this project replaced loses, doubles or freezes calls in every one of them."""

from collections.abc import Iterator

import pytest
import traps
from dialer_site import Site, site
from replaced_design import ReplacedDesign
from sqlalchemy import Engine

pytestmark = pytest.mark.mariadb


@pytest.fixture
def dialer(mariadb_url: str, brain: Engine) -> Iterator[Site]:
    with site(mariadb_url, brain) as opened:
        opened.system = ReplacedDesign(opened)
        yield opened


def test_the_replaced_design_copies_a_dialer_that_never_misbehaves(dialer: Site) -> None:
    traps.plain_calls(dialer)
    dialer.settle()
    dialer.assert_lossless()


@pytest.mark.parametrize("scene", traps.TRAPS, ids=lambda scene: scene.__name__)
def test_the_replaced_design_falls_into_the_trap(scene: traps.Scene, dialer: Site) -> None:
    scene(dialer)
    dialer.settle()
    with pytest.raises(AssertionError, match=r"lost|ghost|other content"):
        dialer.assert_lossless()
