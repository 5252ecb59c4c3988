"""How often the analysis errs, measured on simulated experiments."""
