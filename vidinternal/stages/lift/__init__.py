"""One image method lifted to a take: the pictures of a clip, or arrays."""
