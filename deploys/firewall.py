"""The firewall's place in the order: after Docker, whose chains it filters, before the swarm."""
