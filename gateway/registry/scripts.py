"""What happens in Redis: each script is one step that nothing comes between."""

from importlib.resources import files

_FOLDER = files(__package__) / "lua"
_HELD = (_FOLDER / "held.lua").read_text()


def _script(name: str, before: str = "") -> str:
    return before + (_FOLDER / f"{name}.lua").read_text()


TAKE = _script("take", _HELD)
RENEW = _script("renew", _HELD)
RELEASE = _script("release", _HELD)

LEASE = _script("lease")
KEEP = _script("keep")
GIVE_BACK = _script("give_back")


def connection_key(cp_id: str) -> str:
    """Where the connection of a charge point is."""
    return f"conn:{cp_id}"


def partition_key(partition: int) -> str:
    """Where the lease of a partition is."""
    return f"node:{partition}"


def moved_channel(node: str) -> str:
    """Where a gateway is told `CP EPOCH` of what others have taken over."""
    return f"moved:{node}"
