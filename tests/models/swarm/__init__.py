"""A simulated swarm: by the rules of Docker's documentation, held against real engines."""
