"""Who may charge at an OCPP charge point: id tags, whose they are, and what is said of them.

An id tag is the same one in any case of its letters (OCPP's CiString20Type).
"""

import re
from collections.abc import Iterable
from hashlib import blake2b

from common.gateway_messages import IdTagInfo, IdTagRow, IdTagStatus

MAX_LENGTH = 20
"""Characters of an id tag in OCPP 1.6: a longer one would never match."""

_DRIVER_ID = re.compile(r"[A-Za-z0-9_.-]{1,36}")


def folded(id_tag: str) -> str:
    """Equal for equal id tags."""
    return id_tag.casefold()


def status_of(
    tag: IdTagRow | None, *, now: float, running: int = 0, accept_unknown: bool = False
) -> IdTagStatus:
    """Whether an id tag may charge: the first reason against it, or `Accepted`.

    Args:
        tag: As it is stored; None if it is not.
        now: Unix seconds.
        running: Charges of its driver that go on elsewhere, where one is about to start.
        accept_unknown: An id tag that is not stored may charge as well, once at a time.
    """
    if tag is None and not accept_unknown:
        return IdTagStatus.INVALID
    if tag is not None and tag.blocked:
        return IdTagStatus.BLOCKED
    if tag is not None and tag.expires_at is not None and tag.expires_at <= now:
        return IdTagStatus.EXPIRED
    if running >= (tag.max_concurrent if tag else 1):
        return IdTagStatus.CONCURRENT_TX
    return IdTagStatus.ACCEPTED


def info_of(tag: IdTagRow | None, status: IdTagStatus) -> IdTagInfo:
    """What a charge point is told of an id tag."""
    if tag is None:
        return IdTagInfo(status=status)
    return IdTagInfo(
        status=status, expires_at=tag.expires_at, parent_id_tag=tag.parent_id_tag or None
    )


def driver_of(id_tag: str, tag: IdTagRow | None) -> str:
    """Whose charge it is that begins with this id tag, stored as `tag` or not at all.

    The driver that it was given to; else the id tag itself, where it can be a driver's id; else an
    id that is always the same for it.
    """
    if tag is not None and tag.driver_id is not None:
        return tag.driver_id
    spelt = tag.id_tag if tag else id_tag
    return spelt if _DRIVER_ID.fullmatch(spelt) else f"tag-{_digest(folded(spelt))}"


def tag_of(driver_id: str, own: Iterable[IdTagRow]) -> str:
    """The id tag by which a charge point is told of a driver.

    Args:
        own: The driver's id tags. The first that is not blocked; without one the driver's own id,
            where it can be an id tag, else one that is always the same for it.
    """
    usable = [tag.id_tag for tag in own if not tag.blocked]
    if usable:
        return usable[0]
    return driver_id if len(driver_id) <= MAX_LENGTH else f"d-{_digest(driver_id)}"


def are_one_group(one: str, other: str, parents: tuple[str | None, str | None]) -> bool:
    """Whether one of two id tags may end what the other began: the same, or of one parent.

    Args:
        parents: The parent id tags of both, where they have any.
    """
    groups = [folded(parent or tag) for tag, parent in zip((one, other), parents, strict=True)]
    return folded(one) == folded(other) or groups[0] == groups[1]


def _digest(text: str) -> str:
    """18 characters, so that an id tag made of them is no longer than it may be."""
    return blake2b(text.encode(), digest_size=9).hexdigest()
