"""The proof that nodes exchange encrypted packets: which pairs, how, and the verdict."""
