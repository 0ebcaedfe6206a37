"""Before the first run: which boards answer, what each still needs, the project that declares them."""
