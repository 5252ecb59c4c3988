"""Asking multimodal models over their real APIs: one question, its pictures, one attempt."""
