"""REST views of workspaces, builds and agents, for people and for agents."""
