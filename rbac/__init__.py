"""Who may do what: one policy, asked by every page, endpoint, socket and command."""
