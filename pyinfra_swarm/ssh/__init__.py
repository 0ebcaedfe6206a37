"""SSH hardening: keys only, no root, judged by the configuration that sshd really has.

The plan compares what is declared (``wanted``) with what was seen of sshd (``seen``).
"""
