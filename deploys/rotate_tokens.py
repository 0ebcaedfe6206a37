"""New join tokens, for workers and managers: the old ones let nobody in any more."""

from pyinfra_swarm.keys import join_tokens_operations as join_tokens
from pyinfra_swarm.settings import load

join_tokens.rotated(load(), name="Swarm: new join tokens")
