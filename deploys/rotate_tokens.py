"""New join tokens, for workers and managers: the old ones are no longer valid."""

from pyinfra_swarm.deploys import rotate_tokens

rotate_tokens()
