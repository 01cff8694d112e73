"""What weakens or changes the guard: the project's policy and the owner's key."""
