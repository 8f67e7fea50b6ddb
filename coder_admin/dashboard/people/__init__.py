"""Pages of people: organizations, members, groups, roles, users, one's own account, the identity provider."""
