"""One lift with its interval and its test."""
