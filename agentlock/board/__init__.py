"""The board: what all agents do now, for people, in a terminal and in a browser."""
