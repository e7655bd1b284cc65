"""What is deployed is as it must be."""
