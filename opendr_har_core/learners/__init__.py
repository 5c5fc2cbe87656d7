"""OpenDR's learner API."""
