"""How the unit tests are run."""

from hypothesis import settings

# How long one example takes says how busy the machine is, and nothing about the product.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
