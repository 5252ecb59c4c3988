"""A Stable Diffusion pipeline trained from nothing on the shop world, small enough to ship."""
