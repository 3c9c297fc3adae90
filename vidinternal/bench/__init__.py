"""Side-by-side tables measured on this machine."""
