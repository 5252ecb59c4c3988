"""The gate: a policy and the artifacts of runs make one verdict, ship, review or reject."""
