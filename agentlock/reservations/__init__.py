"""Who holds what: granting, searching, ending, naming, retention, history and audit."""
