"""The programs as their users run them: as processes, on a real Kafka."""
