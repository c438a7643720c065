"""Who may change something: one token, sessions that end, attempts that are counted."""
