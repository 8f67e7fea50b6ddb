"""Tree to closures: an expression is compiled once per file content and run many times."""
