"""The commands of ``pyinfra-swarm``, a module each.

A module imports at its top only what every command needs: what it does itself is imported when it
runs, since each press of TAB imports all of them.
"""
