"""A connector's meter: a register of all energy that it ever supplied.

Power is in whole watts and time in whole nanoseconds, so energy is counted in watt-nanoseconds
without any rounding. The register shows the whole watt-hours; the rest stays in the meter and
becomes part of a later one. A session's energy is the register at its end less that at its start,
so that the energies of all sessions add up to the register.
"""

from engine.moment import NS

WATT_NS_PER_WH = 3_600 * NS


class Meter:
    """The lifetime register of one connector; it counts only between `open` and `close`."""

    def __init__(self, register_wh: int = 0) -> None:
        self._total = register_wh * WATT_NS_PER_WH
        self._counting = False

    @property
    def register_wh(self) -> int:
        """All energy ever supplied, in whole Wh."""
        return self._total // WATT_NS_PER_WH

    def open(self) -> None:
        """Energy may flow from now on."""
        self._counting = True

    def close(self) -> None:
        """No energy flows any more."""
        self._counting = False

    def add(self, power: int, ns: int, *, up_to_wh: int) -> bool:
        """Count this power for this long, but stop when the register shows `up_to_wh`.

        Args:
            power: In W.
            ns: For how long.
            up_to_wh: The register's last value; it never shows more.

        Returns:
            Whether the register shows `up_to_wh`.
        """
        assert self._counting
        assert power >= 0
        assert ns >= 0
        end = up_to_wh * WATT_NS_PER_WH
        self._total = max(self._total, min(self._total + power * ns, end))
        return self._total >= end
