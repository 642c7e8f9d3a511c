"""A ViciDial dialer that is not there: its tables filled and kept moving from a seed, with every way real ones misbehave.

Belongs here: what a dialer does to its own database, and which leads the CRM would know. Does not: reading it back.
"""
