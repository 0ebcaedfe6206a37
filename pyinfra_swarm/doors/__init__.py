"""Ways to root, and in, that nobody has declared; and jobs that could undo what is declared.

Nothing here is changed: each is named with what to do, or declared as meant in the settings.
"""
