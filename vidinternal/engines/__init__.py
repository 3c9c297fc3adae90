"""Many clips: local processes."""
