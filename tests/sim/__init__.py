"""The simulation itself: what it simulates must behave, and it must find what is wrong."""
