"""The example in `examples/`, which the README runs."""

import subprocess
import sys
from pathlib import Path

from tests.ocpp.network import Gateway, OcppNetwork

EXAMPLE = Path(__file__).parents[2] / "examples" / "ocpp_charge.py"


def test_the_example_charges(
    network: OcppNetwork, gateway: Gateway, cp_id: str, id_tag: str
) -> None:
    """In less than thirty lines, with the package `ocpp`."""
    command = [sys.executable, str(EXAMPLE), gateway.url(cp_id), id_tag]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(EXAMPLE.read_text().splitlines()) < 30
    (ticket,) = network.tickets(cp_id)
    assert float(ticket["energy_consumed_kwh"]) == 1.0
    assert ticket["driver_id"] in id_tag
