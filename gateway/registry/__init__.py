"""Which charge point is connected to which gateway, and which partition of `ev.down` is whose.

Reading order:

- `interface`: what a gateway asks of a registry, and what it may rely on
- `epochs`: epochs and times where no Redis gives them
- `memory`: for one gateway alone: no Redis
- `scripts`, `lua/`: what happens in Redis, each as one step
- `link`: the Redis, and whether it answers
- `batches`: questions that share a round trip
- `connections`: the map of connections, in Redis
- `lease`: the lease of a partition
- `shared`: for gateways that share a Redis: map, lease and news of both
"""

from gateway.registry.interface import Counts, Registry
from gateway.registry.memory import MemoryRegistry
from gateway.registry.shared import RedisRegistry, Times

__all__ = ["Counts", "MemoryRegistry", "RedisRegistry", "Registry", "Times"]
