"""Automatic security updates, without Docker and without reboots; and a synchronised clock.

The plan compares what is declared with what was seen of the host (``seen``), and gives findings; a
change says by its type what carries it out.
"""
