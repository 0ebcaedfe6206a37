"""How the cluster is: its nodes, its services, and who reaches their ports. Nothing is judged by
what is declared, as the drift check does it; nothing is changed."""
