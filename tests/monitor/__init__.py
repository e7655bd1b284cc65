"""The monitor, tested: its rules by table, its handlers with fakes, its links over loopback."""
