"""A short run of `make fuzz-gateway`: nonsense, and those beside it who do not notice."""

from tests.ocpp.network import Gateway, OcppNetwork, away
from tests.ocpp.nonsense import nonsense


async def test_nonsense_disturbs_nobody(network: OcppNetwork, gateway: Gateway) -> None:
    """Others are served, memory stays as it is, and central is well."""
    found = await nonsense(gateway.url, gateway.program.pid, seconds=5, seed=1)
    assert found.wrong == []
    assert min(found.sent, found.answered) > 100
    assert (await away(network.admin, "health"))["kafka"] == "ok"
    errors = [line for line in gateway.program.log() if line["level"] in ("error", "critical")]
    assert errors == []
