"""Measures of agreement between what was predicted and what was observed."""
