"""Dynamic parameters: what a template asks, rendered for one owner and one set of inputs."""
