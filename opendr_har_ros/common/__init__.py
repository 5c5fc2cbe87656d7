"""What the nodes share: processes, parameters, subscriptions, messages, statistics."""
