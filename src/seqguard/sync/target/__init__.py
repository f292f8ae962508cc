"""The target's columns, and values as PostgreSQL reads them."""
