"""The trainer node: runs `opendr-har train` in a subprocess for each goal of its action."""
