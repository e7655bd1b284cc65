"""Where `make fuzz` begins: good input of each kind, from which the fuzzer makes other."""

from collections.abc import Iterator

from common.framing import frame
from common.protocol import sent, ways
from tests.common.strategies import as_json, filled
from tests.fuzz.targets import ANSWERED, CALLED
from tests.fuzz.test_journals import GOOD
from tests.gateway.v16.schemas import full, schema


def seeds(target: str) -> Iterator[bytes]:
    """Good input of this target."""
    if target == "journal":
        yield GOOD
        return
    if target.startswith("ocpp"):
        yield from _of_ocpp(target)
        return
    for number, way in enumerate(ways()):
        for message in sorted(sent(*way), key=lambda m: m.__name__):
            content = as_json(filled(message))
            yield bytes([number]) + content if target == "messages" else b"\1\7\60" + frame(content)


def _of_ocpp(target: str) -> Iterator[bytes]:
    for first, actions, kind in ((0, CALLED, ""), (128, ANSWERED, "Response")):
        for number, action in enumerate(actions):
            payload = as_json(full(schema(action.name + kind)))
            if target == "ocpp_payloads":
                # The first number from `first` on that chooses this action.
                chosen = next(n for n in range(first, 256) if n % len(actions) == number)
                yield bytes([chosen]) + payload
            elif kind:
                yield b'[3,"1",%b]' % payload
            else:
                yield b'[2,"1","%b",%b]' % (action.name.encode(), payload)
