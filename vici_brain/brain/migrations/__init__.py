"""Alembic's home: revisions in order, and the SQL they run."""
