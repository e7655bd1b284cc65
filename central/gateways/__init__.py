"""Charge points that speak OCPP, behind gateways: what they report, ask, and are told to do.

In reading order: `arrivals` records of `ev.up` made messages · `intake` in what order they are
handled, and when they are done · `replies` the answers, by `ev.down` · `unsaved` what is stored
with the next flush · `connections` where each charge point is · `points` how they are taken up ·
`statuses` what they say of their connectors · `id_tags` and `authorisation` who may charge ·
`transactions` what begins, `ends` what ends, `metering` and `samples` what is measured, `settling`
what is awaited no longer · `link` a charge point asked as a monitor is, `commands` and `lines` how
that is stored and sent · `access` what they prove their ids with · `operators` what consoles ask.
"""
