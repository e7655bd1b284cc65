"""The id tags that central knows, as the database has them, and what operators do to them.

Theory of operation. Central holds all id tags in memory and asks the database twice a second what
has changed, so that what another process adds or blocks counts within a second. What an operator
changes through central counts at once, and comes again with the next look, which changes nothing.
"""

import asyncio
from bisect import bisect_right, insort
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from central.auditing import Auditing
from central.rules import id_tags as rules
from central.rules.id_tags import folded
from central.rules.records import StoredTag
from central.rules.rows import fitting
from central.store import SaveAudit, SaveIdTag, Store
from common.dispatch import Peer, handler
from common.errors import Reason, Refused, StoreUnavailable
from common.gateway_messages import (
    IdTagChange,
    IdTagChangeResponse,
    IdTagRow,
    IdTagsRequest,
    IdTagsResponse,
)
from common.messages import Outcome

LOOK_EVERY = 0.5
"""Seconds between two looks for what was done to id tags."""

NOBODY = "admin"
"""Whose change it is where the console does not say."""

SAVE_ID_TAG = "save_id_tag"
REMOVE_ID_TAG = "remove_id_tag"


class IdTags:
    """The id tags that count now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tags: dict[str, IdTagRow] = {}
        self._keys: list[str] = []
        self._of_driver: dict[str, dict[str, IdTagRow]] = {}
        self._seen = 0

    def find(self, id_tag: str) -> IdTagRow | None:
        """The id tag, in whatever case it is written; None if it is not known."""
        return self._tags.get(folded(id_tag))

    def driver_of(self, id_tag: str) -> str:
        """Whose it is, known or not."""
        return rules.driver_of(id_tag, self.find(id_tag))

    def tag_of(self, driver_id: str) -> str:
        """The id tag by which a charge point is told of a driver."""
        return rules.tag_of(driver_id, self._of_driver.get(driver_id, {}).values())

    def are_one_group(self, one: str, other: str) -> bool:
        """Whether one of these may end what the other began."""
        known = self.find(one), self.find(other)
        parents = tuple(tag.parent_id_tag if tag else None for tag in known)
        return rules.are_one_group(one, other, (parents[0], parents[1]))

    def after(self, place: str | None) -> Iterator[IdTagRow]:
        """All of them behind this id tag, in their order."""
        start = bisect_right(self._keys, folded(place)) if place is not None else 0
        return (self._tags[key] for key in islice(self._keys, start, None))

    def take_up(self, stored: StoredTag) -> None:
        """The id tag is stored like this now."""
        key = folded(stored.tag.id_tag)
        before = self._tags.pop(key, None)
        if before is not None and before.driver_id is not None:
            self._of_driver[before.driver_id].pop(key, None)
        if stored.removed:
            if before is not None:
                self._keys.remove(key)
            return
        if before is None:
            insort(self._keys, key)
        self._tags[key] = stored.tag
        if stored.tag.driver_id is not None:
            self._of_driver.setdefault(stored.tag.driver_id, {})[key] = stored.tag

    async def run(self) -> None:
        """Take up what changes, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with suppress(StoreUnavailable):  # said where it hurts; what is known still counts
                await self.refresh()

    async def refresh(self) -> None:
        """Take up what was done to id tags since the last look.

        Raises:
            StoreUnavailable: The database cannot be read now.
        """
        for stored in await self._store.id_tags(self._seen):
            self._seen = max(self._seen, stored.change)
            self.take_up(stored)


class IdTagOperators:
    """Handles what operators ask about id tags, and do to them."""

    def __init__(self, tags: IdTags, store: Store, auditing: Auditing) -> None:
        self._tags = tags
        self._store = store
        self._auditing = auditing

    @handler
    def id_tags(self, request: IdTagsRequest, peer: Peer) -> IdTagsResponse:
        """A page of id tags, or the one that is asked for; without it if it is not known."""
        if request.id_tag is not None:
            found = self._tags.find(request.id_tag)
            one = () if found is None else (found,)
            return IdTagsResponse(status=Outcome.SUCCESS, id_tags=one)
        page, more = fitting(self._tags.after(request.after), request.limit)
        following = page[-1].id_tag if page else request.after or ""
        return IdTagsResponse(
            status=Outcome.SUCCESS, id_tags=tuple(page), next=following if more else None
        )

    @handler
    async def change_id_tag(self, request: IdTagChange, peer: Peer) -> IdTagChangeResponse:
        """Store an id tag, or forget it; done twice it is as done once.

        Raises:
            Refused: `invalid_message`: it can be no id tag, or is to be removed and is not known.
            StoreUnavailable: Nothing was stored.
        """
        tag = request.id_tag
        if not 1 <= len(tag.id_tag) <= rules.MAX_LENGTH:
            text = f"an id tag has 1 to {rules.MAX_LENGTH} characters - at `$.id_tag.id_tag`"
            raise Refused(Reason.INVALID_MESSAGE, text)
        known = self._tags.find(tag.id_tag)
        if request.remove and known is None:
            text = f"no id tag {tag.id_tag} - at `$.id_tag.id_tag`"
            raise Refused(Reason.INVALID_MESSAGE, text)
        stored = StoredTag(tag=known if request.remove and known else tag, removed=request.remove)
        act = REMOVE_ID_TAG if request.remove else SAVE_ID_TAG
        entry = self._auditing.entry(
            peer.id or NOBODY, act, "*", f"id tag {tag.id_tag}", succeeded=1
        )
        await self._store.write(SaveIdTag(stored), SaveAudit(entry))
        self._tags.take_up(stored)
        return IdTagChangeResponse(status=Outcome.SUCCESS)
