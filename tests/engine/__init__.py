"""The engine, from its meter up to the whole process."""
