"""What a host says: one fact per subject, each one remote command, each usable ad hoc."""
