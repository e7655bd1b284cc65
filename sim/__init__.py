"""The whole network in one process, under a time, a network, disks and a broker that are simulated.

`python -m sim --seeds 1000` plays a thousand short histories of two centrals, three charge points
and their drivers, each with faults of its own, and checks after every step that nothing delivered
is lost and nothing billed twice. The programs' own code runs; only what is below it is replaced.
One seed is one history: `--seed N` plays it again, byte for byte.

Reading order:

- `clocks`: the time of one machine, which drifts and is set
- `process`: a running program, which can be killed or paused between any two of its steps
- `loop`: an event loop whose time is simulated
- `connection`, `network`: connections, and all that can happen to them
- `broker`, `clients`: a Kafka in memory, and what its clients see of it
- `disk`: what survives a crash, and what does not
- `database`: central's database in memory, and its writer without a thread
- `programs`, `nodes`: how each program is begun here, how it dies and is begun again
- `drivers`, `operators`: what people want of the network
- `population`: all who live in a history
- `witness`, `journal`: what was said to whom, heard on the way, and what was promised by it
- `chance`, `faults`: what goes wrong, chosen by the seed
- `invariants`: what must be true whatever happens, read from disk and database
- `story`: the history as a chronicle for people, and as one digest
- `world`, `isolation`: one history, from its begin to the peace after its faults, and nothing else
- `outcome`: what became of it, and of many
"""
