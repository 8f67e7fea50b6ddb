"""Coder Admin: the Django project and its rooms. Kept free of imports: the agent starts from here."""
