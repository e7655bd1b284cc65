"""The reference in `docs`, written from the code alone.

Whatever a page says stands once in the code: who sends what in `protocol.ROUTES`, fields and
bounds in the structs, meanings in docstrings and in `Meta.description`, states in `states.STEPS`.
Functions yield the blocks of a page: what stands between two empty lines.

| file | holds |
|---|---|
| `__main__.py` | the command, and what it writes |
| `protocol_page.py` · `fields.py` | `protocol.md`: messages, and the fields of each |
| `states_page.py` | `states.md` |
| `asyncapi.py` · `schemas.py` | `asyncapi.json`: the same for programs |
| `source.py` · `markdown.py` | meanings out of the source; pieces of a page |
"""
