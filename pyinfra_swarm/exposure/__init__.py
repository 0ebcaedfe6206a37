"""How the world reaches the services: a tunnel, dynamic DNS, and what can be seen of both."""
