"""The proof that the nodes talk to each other encrypted: who meets whom, how, and the verdict."""
