"""From product pictures and prompts to ads: cut-outs, painting around them, and their runs."""
