"""Modules: from files to declarations, and the tree of module calls."""
