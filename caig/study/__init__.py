"""Studies: the same alignment with other losses, judges, rates and seeds, and what came of each."""
