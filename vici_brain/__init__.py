"""Replicates ViciDial call logs into Brain (PostgreSQL) and proves that none is missing."""
