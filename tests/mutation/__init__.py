"""Mutation: whether the tests notice when what decides is changed (``make mutation``)."""
