"""Deep internal learning, method-free: objectives, held-out holes, stopping, checkpoints, warm starts."""
