"""The networks themselves, in PyTorch."""
