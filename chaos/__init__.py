"""Kills and cuts real programs at work, and proves from outside that every bill is still right.

Reading order:

- `evidence`, `conservation`: what must be true afterwards; they import nothing of the project, and
  run by themselves
- `plan`: which faults there are, and when, drawn from a seed
- `programs`, `proxy`, `world`: the processes, the links between them, and all of it together
- `faults`: how each kind of fault is done and undone
- `wire`, `drivers`: who charges meanwhile, and what they were promised
- `watch`: what an operator sees, and how long each fault is felt
- `run`, `report`: one run, and what came of it: `python -m chaos`
- `soak`: central's memory and descriptors under thousands of light charge points
"""
