"""Stacks: the compose files that are declared, read, linted and deployed."""
