"""A swarm's secrets, configs and services, as far as rotating them goes."""
