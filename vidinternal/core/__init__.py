"""Value types, conventions, errors, configuration base, seeds. Imports nothing of ours."""
