"""Meter values of OCPP 1.6 (7.30, 7.43) in the network's units: samples, energy, power.

A sample is carried on as the charge point wrote it. Of all samples of a message one energy and one
power are read out: the latest, at the outlet where that is among them. What is given by phase only
is summed.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from msgspec.structs import fields

from common.gateway_messages import Sample
from common.units import Watts
from gateway.v16.messages import MeterValue, TransactionData

_defaults = {field.name: field.default for field in fields(Sample)}

# These very objects: a default is left out of the JSON only where it is the same one, not an equal.
ENERGY: str = _defaults["measurand"]
PERIODIC: str = _defaults["context"]
POWER = "Power.Active.Import"
OUTLET = "Outlet"

PHASES = frozenset({"L1", "L2", "L3", "L1-N", "L2-N", "L3-N"})
"""Those that add up to a whole; between two phases, or of the neutral, nothing does."""

MOST_WATTS = Watts.maximum * 1000
"""More power than any message of the network can say."""

MOST = 2**53
"""No register and no power is as large, in Wh or W: such a number is a fault of the meter."""


def samples_of(values: Iterable[MeterValue | TransactionData]) -> tuple[Sample, ...]:
    """All sampled values, in the order in which they came."""
    return tuple(
        [  # a list, which is made faster than a generator
            Sample(
                at_ms=at_ms,
                value=sampled.value,
                measurand=sampled.measurand or ENERGY,
                unit=sampled.unit or "Wh",
                context=sampled.context or PERIODIC,
                location=sampled.location or OUTLET,
                phase=sampled.phase,
                format=sampled.format or "Raw",
            )
            for value in values
            for at_ms in (int(value.timestamp),)
            for sampled in value.sampled_value
        ]
    )


def energy_and_power(samples: Iterable[Sample]) -> tuple[int | None, Watts | None]:
    """The latest register of imported active energy in Wh, and imported active power.

    None where no number says it. Power is 0 where it is negative.
    """
    energies, powers = [], []
    for sample in samples:
        if sample.measurand == ENERGY:
            energies.append(sample)
        elif sample.measurand == POWER:
            powers.append(sample)
    watts = _latest(powers, "kW")
    if watts is None or watts > MOST_WATTS:
        return _latest(energies, "kWh"), None
    return _latest(energies, "kWh"), Watts(max(0, watts))


def _latest(samples: list[Sample], thousands: str) -> int | None:
    """The latest number among these, whole before phases, the outlet before elsewhere."""
    if not samples:
        return None
    if len(samples) == 1 and samples[0].phase is None:
        return _number(samples[0], thousands)  # as it mostly is
    samples = [sample for sample in samples if sample.location == OUTLET] or samples
    # Of those of the same moment the last one that was written.
    for sample in sorted(samples, key=_at)[::-1]:
        if sample.phase is None:
            number = _number(sample, thousands)
            if number is not None:
                return number
    return _sum_of_phases([sample for sample in samples if sample.phase in PHASES], thousands)


def _sum_of_phases(samples: list[Sample], thousands: str) -> int | None:
    last = max(map(_at, samples), default=0)
    phases: dict[str | None, int] = {}
    for sample in samples:
        number = _number(sample, thousands)
        if sample.at_ms == last and number is not None:
            phases[sample.phase] = number
    return sum(phases.values()) if phases else None


def _at(sample: Sample) -> int:
    return sample.at_ms


def _number(sample: Sample, thousands: str) -> int | None:
    """The value in units of one, rounded half up; None if it is none that a meter can show."""
    if sample.format != "Raw":
        return None
    text = sample.value
    scale = 1000 if sample.unit == thousands else 1
    if len(text) < 16 and text.isascii():
        # As most are. Decimal says the same, and takes three times as long.
        if text.isdigit():
            return int(text) * scale
        whole, _, decimals = text.partition(".")
        if whole.isdigit() and (not decimals or decimals.isdigit()):
            part: int = 10 ** len(decimals)
            doubled: int = 2 * int(whole + decimals) * scale
            return (doubled + part) // (2 * part)
    try:
        number = Decimal(text.strip()) * scale
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= MOST:
        return None
    return int(number.to_integral_value(ROUND_HALF_UP))
