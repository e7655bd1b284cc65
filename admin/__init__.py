"""The operator's console: one-shot commands, and a live panel.

In reading order: `__main__` the command line · `app` the wiring · `client` the link to central ·
`handlers` what central sends by itself · `pages` lists joined from their pages · `commands` what
each one-shot does · `tables` how it looks · `tickets` bills as CSV · `moments` times as people
write them · `trace` one charge's story out of the programs' logs · `panel` the live panel.
"""
