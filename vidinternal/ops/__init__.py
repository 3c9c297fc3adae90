"""Pure tensor functions, each with its law as a test."""
