"""Images, image sequences and animations as clips: `clip`, `plan`, `output` and `verify` are the doors."""
