"""What every follower of objects shares: hints put on frames, paths, what is masked of them, what a person sees."""
