"""The monitor: watches one engine, and speaks for its charge point to central.

`__main__` the command line · `app` what wires it all · `point` what the two sides share ·
`engine_side` and `central_side` a link each · `relay` requests passed on, either way · `errands`
what the monitor asks of the engine by itself · `records` readings and tickets on their way to
Kafka · `strays` answers nobody waits for.

Without I/O, and without time of their own: `health` how the engine is and what of it is news ·
`settling` which sessions to ask about · `stopping` whether the engine agrees to be stopped ·
`buffer` what waits for Kafka.
"""
