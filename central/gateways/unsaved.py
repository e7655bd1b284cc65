"""What has changed in memory by what gateways said, and is stored with the next flush."""

from itertools import islice

from central.store import Change, Store

AT_ONCE = 500
"""Changes in one transaction: a few milliseconds, so that a charge that starts meanwhile waits no
longer for its own."""


class Unsaved:
    """Changes that wait to be stored together, before the records that made them are done."""

    def __init__(self) -> None:
        self._last: dict[object, Change] = {}
        self._all: list[Change] = []

    def __len__(self) -> int:
        return len(self._last) + len(self._all)

    def put(self, key: object, change: Change) -> None:
        """Store this; it takes the place of what waits under the same key."""
        self._last[key] = change

    def drop(self, key: object) -> None:
        """What waits under this key is not to be stored any more."""
        self._last.pop(key, None)

    def add(self, *changes: Change) -> None:
        """Store each of these."""
        self._all += changes

    async def flush(self, store: Store) -> None:
        """Store what waits now.

        Raises:
            StoreUnavailable, Refused: Not all was stored; what was not waits again.
        """
        last, self._last = self._last, {}
        every, self._all = self._all, []
        waiting = iter([*last.values(), *every])
        try:
            while some := list(islice(waiting, AT_ONCE)):
                await store.write(*some)
        except BaseException:
            # All of it once more, which is harmless; but not in place of what came since.
            self._last = last | self._last
            self._all = every + self._all
            raise
