"""Every program that dials central takes several addresses, and finds the one that serves."""

import time

from tests.kafka.ports import free_port
from tests.programs.network import Network

FOUND_WITHIN = 10.0
"""Seconds from the start of a one-shot command to its answer, with two dead addresses before."""


def test_the_address_that_serves_is_found(network: Network) -> None:
    """By a monitor, a driver and an operator, though nobody listens at the first two."""
    dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    network._address = ",".join([*dead, network.address])
    network.point("CP-1")  # returns once its monitor has registered, and a driver has seen it
    begun = time.monotonic()
    assert network.ask("ANA", "available")["charging_points"][0]["cp_id"] == "CP-1"
    assert network.admin("status")["points"][0]["cp_id"] == "CP-1"
    assert time.monotonic() - begun < 2 * FOUND_WITHIN
