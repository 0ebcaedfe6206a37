"""Who may log in and become root: the declared admins, each with the declared keys.

The plan compares what is declared (``wanted``) with the accounts that were seen (``seen``), and
gives findings; a change says by its type what carries it out.
"""
