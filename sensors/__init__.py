"""Sensors: each named by what it watches."""
