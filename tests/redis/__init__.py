"""A real Redis for the tests, found or started wherever they run.

Reading order:

- `server`: one that a test may kill, empty, and bring to a stop
- `find`: which Redis it is going to be

The fixtures are in `tests/conftest.py`.
"""
