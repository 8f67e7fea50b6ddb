"""The REST views of users, logins, tokens, organizations, members and groups."""
