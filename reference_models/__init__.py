"""The embedded shop world: data with known truth for a machine that has none."""
