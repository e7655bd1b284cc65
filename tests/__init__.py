"""The tests: as a package, so that they can import from one another."""
