"""Post-experiment CTR lift: from an impression log to a table one can stand up with."""
