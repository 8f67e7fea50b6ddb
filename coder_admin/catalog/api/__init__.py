"""REST views of this room, cut by noun."""
