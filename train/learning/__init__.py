"""Training: a protocol and a request become a plan, the plan a run of steps, validations and checkpoints."""
