"""Every payload of OCPP 1.6 by one import: 39 actions, both ways, and the objects in them."""

from gateway.v16.control import *  # noqa: F403
from gateway.v16.core import *  # noqa: F403
from gateway.v16.security import *  # noqa: F403
from gateway.v16.smart_charging import *  # noqa: F403
from gateway.v16.types import Payload as Payload
from gateway.v16.types import Tenths as Tenths
from gateway.v16.types import Timestamp as Timestamp
from gateway.v16.upkeep import *  # noqa: F403
