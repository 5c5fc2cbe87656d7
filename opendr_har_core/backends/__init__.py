"""Runtimes that a recognizer can use, behind one Protocol."""
