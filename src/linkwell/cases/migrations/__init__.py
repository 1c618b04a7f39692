"""The versions of the case book's tables, applied by Alembic when a book of an older version is opened."""
