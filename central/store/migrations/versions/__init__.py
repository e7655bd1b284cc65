"""One script for each change of the schema, named by its number."""
