"""Before the first run: which boards answer, what each still needs, and the project for them."""
