"""New join tokens, for workers and managers: the old ones let nobody in any more."""

from cluster.settings import load
from operations import join_tokens

join_tokens.rotated(load(), name="Swarm: new join tokens")
