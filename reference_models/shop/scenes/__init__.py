"""Backgrounds of the shop world, drawn procedurally: one file a family of scenes."""
