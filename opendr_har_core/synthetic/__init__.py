"""Clips of a drawn figure in motion: hermetic material for demonstrations and tests."""
