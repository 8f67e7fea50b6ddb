"""The pages people look at: one shell, thin views over the selectors and services of the rooms below."""
