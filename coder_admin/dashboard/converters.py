"""Address parts that Django has no converter for."""


class UserNameConverter:
    """A username as `@name` in an address: letters, digits and single hyphens, or `me`."""

    regex = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
