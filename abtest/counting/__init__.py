"""Counts and sums: the narrow waist between logs and statistics."""
