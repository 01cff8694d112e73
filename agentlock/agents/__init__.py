"""The agents of a project: where each works, and when it was last seen."""
