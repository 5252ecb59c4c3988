"""Streamlit pages for the review meeting; they read run folders and compute nothing."""
