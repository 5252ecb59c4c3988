"""Preference optimisation of the prompt model: samples, pairs, DPO and PCPO, the loop."""
