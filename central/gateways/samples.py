"""What the meters of OCPP charge points measured: every value that was acknowledged is stored."""

from collections.abc import Iterable
from hashlib import blake2b

from central.gateways.unsaved import Unsaved
from central.rules.records import StoredSample
from central.store import AddSample
from common.gateway_messages import MeterReport, Sample


class Samples:
    """Stores sampled values, each once however often it comes.

    Attributes:
        taken: Sampled values that came so far, repeats too.
    """

    def __init__(self, unsaved: Unsaved) -> None:
        self._unsaved = unsaved
        self.taken = 0

    def add(self, report: MeterReport) -> None:
        """Store a report's values before its record is done."""
        self.add_all(report.cp_id, report.connector_id, report.transaction_id, report.samples)

    def add_all(
        self,
        cp_id: str,
        connector_id: int,
        transaction_id: int | None,
        samples: Iterable[Sample],
    ) -> None:
        """Store these values before the record that is being handled is done."""
        changes = changes_of(cp_id, connector_id, transaction_id, samples)
        self.taken += len(changes)
        self._unsaved.add(*changes)


def changes_of(
    cp_id: str, connector_id: int, transaction_id: int | None, samples: Iterable[Sample]
) -> list[AddSample]:
    """What stores these values; for who wants them in a transaction of its own."""
    of = f"{connector_id}\0{'' if transaction_id is None else transaction_id}\0"
    return [
        AddSample(
            StoredSample(
                cp_id=cp_id,
                digest=_digest(of, sample),
                connector_id=connector_id,
                transaction_id=transaction_id,
                sample=sample,
            )
        )
        for sample in samples
    ]


def _digest(of: str, sample: Sample) -> int:
    """63 bits of all that a value is besides its point and time; no field holds a NUL."""
    text = "\0".join(
        (
            of,
            sample.measurand,
            sample.phase or "",
            sample.location,
            sample.context,
            sample.unit,
            sample.format,
            sample.value,
        )
    )
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
