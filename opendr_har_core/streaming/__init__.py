"""From frames to labels: sampling, preprocessing, state, recognition, filtering and events."""
