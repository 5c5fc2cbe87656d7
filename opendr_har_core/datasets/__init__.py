"""Labelled clips to train and evaluate with: from videos, frames, bags or memory."""
