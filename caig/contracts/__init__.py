"""Data contracts: what a file that passes between packages must look like."""
