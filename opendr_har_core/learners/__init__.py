"""OpenDR's learner API, as a thin façade over the networks, the training and the runtimes."""
