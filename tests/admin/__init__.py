"""What the operator's console promises."""
