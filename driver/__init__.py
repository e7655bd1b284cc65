"""One driver's app: ask for a charge, watch it, stop it, see what was charged.

In reading order: `charge` a charge as its driver sees it · `services` the file of services ·
`state` what is remembered on disk · `client` asks central · `events` what central tells ·
`watch` the charge that is watched · `handlers` from messages to these · `view` how it looks ·
`screen` and `terminal` where it shows, and what is typed · `lists` central's lists · `requests`
messages made · `lookout` the history where Kafka is silent · `charging` a charge from request to
ticket · `commands`, `tour` and `menu` what a person can start · `app` the wiring.
"""
