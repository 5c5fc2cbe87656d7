"""Atomic writes, bounded reads and downloads."""
