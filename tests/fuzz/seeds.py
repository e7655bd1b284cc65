"""Where `make fuzz` begins: good input of each kind, from which the fuzzer makes other."""

from collections.abc import Iterator

from common.framing import frame
from common.protocol import sent, ways
from tests.common.strategies import as_json, filled
from tests.fuzz.test_journals import GOOD


def seeds(target: str) -> Iterator[bytes]:
    """Good input of this target."""
    if target == "journal":
        yield GOOD
        return
    for number, way in enumerate(ways()):
        for message in sorted(sent(*way), key=lambda m: m.__name__):
            content = as_json(filled(message))
            yield bytes([number]) + content if target == "messages" else b"\1\7\60" + frame(content)
