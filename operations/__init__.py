"""How a host gets there: one operation per desired state."""
