"""A defect put into the programs does not get past the simulation."""

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.sim.defects import PLANTED, Defect, found

Found = Future[tuple[str, list[str]] | None]


@pytest.fixture(scope="module")
def searches() -> Iterator[dict[Defect, Found]]:
    """All of them are sought at once, in processes of their own: nobody measures coverage there."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield {defect: pool.submit(found, defect) for defect in PLANTED}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("defect", PLANTED, ids=lambda defect: defect.__name__)
def test_a_defect_is_found(defect: Defect, searches: dict[Defect, Found]) -> None:
    """In one of the first histories, which is right without the defect."""
    what = searches[defect].result(timeout=290)
    assert what is not None
    wrong, without = what
    assert wrong
    assert without == []
