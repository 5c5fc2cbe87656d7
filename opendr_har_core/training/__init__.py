"""Training, with PyTorch."""
