"""Datasets of labelled clips from videos, frames, bags or memory."""
