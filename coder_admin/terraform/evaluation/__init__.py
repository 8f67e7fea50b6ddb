"""Evaluation of a loaded tree of modules."""
