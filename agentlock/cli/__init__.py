"""The command line: one file for each noun. Nothing is decided here."""
