"""The stack, really run: `make test-compose`."""
