"""The driver: its rules by table and property, its sides against a central that is played."""
