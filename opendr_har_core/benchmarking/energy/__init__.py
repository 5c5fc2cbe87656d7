"""Energy of a computation, from the sensors of the machine."""
