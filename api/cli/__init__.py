"""The command line ``jiebang``."""

from api.cli.app import main

__all__ = ["main"]
