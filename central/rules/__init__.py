"""What central decides: pure functions and records, without I/O and without waiting."""
