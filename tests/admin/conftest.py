"""A network of real programs, for the tests that need one."""

from tests.programs.conftest import network

__all__ = ["network"]
