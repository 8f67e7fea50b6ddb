"""The embedded engine: plans and applies with our own evaluator and built-in resource types.

`schema` says what a type takes, `changes` decides what happens to one instance, `planner` and `applier` walk
a whole module, `state` keeps what exists, `types/` holds the resource types and `sources/` the data sources.
"""
