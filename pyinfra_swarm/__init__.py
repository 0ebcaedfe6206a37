"""A hardened, encrypted Docker Swarm from one declared file, with pyinfra."""
