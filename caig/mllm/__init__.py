"""Multimodal language models: loading any, building a tiny one, e-commerce pre-training."""
