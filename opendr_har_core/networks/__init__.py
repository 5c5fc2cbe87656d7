"""The networks X3D and CoX3D in PyTorch, and their weights."""
