"""A pretended host for the programs that run on one."""

from tests.tools.pretended_host import machine

__all__ = ["machine"]
