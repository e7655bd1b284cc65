"""When a request is the same one again: its key, and the digest of its content."""

from hashlib import blake2b

from msgspec.structs import replace

from central.rules.records import RequestKey
from common.codec import encode
from common.messages import Message, Role

KEPT_FOR = 24 * 3600
"""Seconds for which an answer is remembered."""


def request_key(role: Role, sender: str, request: Message) -> RequestKey:
    """The key of a request that this sender made in this role."""
    return RequestKey(role=role, sender=sender, message_id=request.message_id)


def digest(request: Message) -> str:
    """Equal for equal content: all but id, time and trace."""
    content = replace(request, message_id="", timestamp=0, trace_id=None)
    return blake2b(encode(content), digest_size=16).hexdigest()
