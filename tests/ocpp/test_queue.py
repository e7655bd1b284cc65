"""The books of a charge point notice what is lost and what is doubled."""

from typing import Any, cast

import pytest

from tests.ocpp.network import OcppNetwork
from tests.ocpp.queue import Keeper, Transaction, assert_conserved

SAMPLES = [{"transaction_id": 7, "sample": {"value": "150"}}]
TICKET = {
    "connector_id": 1,
    "meter_start_wh": 100,
    "meter_stop_wh": 200,
    "energy_consumed_kwh": "0.100",
}


class Said:
    """What central says of one charge point."""

    def __init__(self, tickets: list[dict[str, Any]], samples: list[dict[str, Any]]) -> None:
        self._tickets = tickets
        self._samples = samples

    def tickets(self, _: str) -> list[dict[str, Any]]:
        return self._tickets

    def samples(self, _: str) -> list[dict[str, Any]]:
        return self._samples


def look(tickets: list[dict[str, Any]], samples: list[dict[str, Any]]) -> None:
    """Compare with a charge point that metered one transaction, and one value of it."""
    keeper = Keeper("ws://127.0.0.1:1/ocpp/CP-1")
    keeper.transactions = [Transaction(1, "TAG", 100, id=7, stop_wh=200, acknowledged=[150])]
    assert_conserved(cast(OcppNetwork, Said(tickets, samples)), keeper)


def test_what_is_right_is_right() -> None:
    look([TICKET], SAMPLES)


@pytest.mark.parametrize(
    ("tickets", "samples"),
    [
        ([], SAMPLES),
        ([TICKET, TICKET], SAMPLES),
        ([TICKET | {"meter_stop_wh": 201}], SAMPLES),
        ([TICKET | {"energy_consumed_kwh": "0.101"}], SAMPLES),
        ([TICKET], []),
        ([TICKET], SAMPLES * 2),
        ([TICKET], [{"transaction_id": 8, "sample": {"value": "150"}}]),
    ],
    ids=["lost", "doubled", "longer", "dearer", "no value", "two values", "another transaction's"],
)
def test_what_is_wrong_is_noticed(
    tickets: list[dict[str, Any]], samples: list[dict[str, Any]]
) -> None:
    with pytest.raises(AssertionError):
        look(tickets, samples)
