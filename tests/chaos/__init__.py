"""Chaos itself: what proves others right must be right, and must be able to say no."""
