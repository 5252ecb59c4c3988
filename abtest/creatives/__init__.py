"""Which images drive a category's lift."""
