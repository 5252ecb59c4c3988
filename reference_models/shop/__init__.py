"""The shop world: 44 categories whose true click-through rates are known."""
