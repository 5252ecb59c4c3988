"""Judges: multimodal models that answer a rubric's yes/no questions about ads."""
