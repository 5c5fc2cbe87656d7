"""The trainer node: runs `opendr-har train` in a subprocess and publishes its progress."""
