"""The charge point itself: supplies energy, meters it, can break. In reading order.

`moment` the engine's own time · `meter` the register of a connector · `curve` what a car draws ·
`session` a charge as the engine knows it · `connector` what one connector does · `ledger` what is
known of all sessions · `journal` records to bytes and back · `disk` the folder they are in ·
`book` ledger and journal together · `charge_point` connectors and book together ·
`commands` its answers to the monitor · `uplink` the one monitor · `vigil` its silence, and our own
sleep · `handlers` what it may say · `keys` and `terminal` the person in front of it ·
`app` the wiring.
"""
