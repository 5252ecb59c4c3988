"""Lift over time: by day, and at every look."""
