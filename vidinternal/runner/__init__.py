"""One clip through one pipeline: specification, check, plan, workspace, run, record."""
