"""What central can do on one core, measured from outside.

Reading order: `machine` where it was measured · `peers` the load generator's links · `server`
central, pinned to one core, on a real Kafka and a real disk · `frames` and `charges` one row of
the table each · `report` figures to a table and to JSON.
"""
