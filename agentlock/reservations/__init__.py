"""Who holds what: granting, looking for conflicts, ending, naming, retention and audit."""
