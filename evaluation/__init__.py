"""Offline evaluation of generated ads: suites, judges and the pre-launch gate.

The package is reserved by name; its first verbs arrive with the offline gate.
"""
