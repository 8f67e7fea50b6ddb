"""Text to tree: scanner, parser and the typed syntax tree."""
