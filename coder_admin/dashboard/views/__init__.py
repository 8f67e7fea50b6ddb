"""Thin views: parse, ask one selector or service, draw."""
