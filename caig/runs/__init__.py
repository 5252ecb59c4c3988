"""Run folders: the only interface between packages."""
