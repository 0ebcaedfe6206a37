"""The domain, pure Python: settings, plans, names. No pyinfra, no I/O but loading the settings."""
