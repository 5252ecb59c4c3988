"""Many lifts at once: correction, joint tests, shrinkage, selection."""
