"""What the live panel promises."""
