"""The reward model: which of two ads of one product is clicked more."""
