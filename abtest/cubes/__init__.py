"""Cubes of counts: added up, and asked for the lift of any days and groups without the log."""
