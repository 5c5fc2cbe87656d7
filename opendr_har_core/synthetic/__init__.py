"""Synthetic clips of a moving figure, for demonstrations, tests and the packaged models."""
