"""The `opendr-har` command."""
