"""The version of this package, and of what it installs in a database."""

__version__ = "0.1.0"
