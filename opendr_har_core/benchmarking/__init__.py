"""Benchmarks of models on this machine, and agreement between models."""
