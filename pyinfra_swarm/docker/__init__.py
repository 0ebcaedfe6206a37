"""Docker from its own repository: one version everywhere, held, configured, running.

The plans are by subject: :mod:`docker.repository`, :mod:`docker.apt_key`,
:mod:`docker.packages`, :mod:`docker.daemon`. Each compares what is declared (``settings``) with
what the host was seen to have (``seen``), and gives findings; a change says by its type what
carries it out.
"""
