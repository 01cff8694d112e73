"""A project's policy, its owner's key, and the log of who changed or bypassed the rules."""
