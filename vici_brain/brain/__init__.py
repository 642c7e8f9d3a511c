"""Brain: the CRM database in PostgreSQL, its schema and every statement that touches it."""
