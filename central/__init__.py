"""The only place with business rules: who may charge, what it costs, what state all is in."""
