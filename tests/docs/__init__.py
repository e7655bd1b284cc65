"""What the documents say, compared with what is there."""
