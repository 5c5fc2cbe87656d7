"""What `opendr-har doctor` looks at: this machine's software, its power, and a model on it."""
