"""What is said and written: sentences, figures, report, run."""
