"""``random_*``: values that are drawn once and kept until a keeper changes.

Drawn from the system's source of randomness; with a ``seed`` from a generator of our own that always gives
the same, but not what Terraform's provider would give for that seed.
"""

from __future__ import annotations

import base64
import random
import secrets
import string
import uuid
from typing import Any, Final

import bcrypt

from coder_admin.terraform.types import BOOL, NUMBER, STRING, list_type, map_type
from coder_admin.terraform.values import Value, boolean, number, to_python
from coder_admin.terraform.values import string as text

from ..resource import Call, ResourceType, Values
from ..schema import Attribute, Schema, computed, optional, required
from .words import ADJECTIVES, ADVERBS, ANIMALS

KEEPERS: Final = optional(map_type(STRING), force_new=True)
SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"
LONGEST: Final = 4_096


def _between(low: int, high: int) -> Any:
    def check(value: Value) -> str:
        drawn = to_python(value)
        if not isinstance(drawn, int) or not low <= drawn <= high:
            return f"must be a whole number from {low} to {high}."
        return ""

    return check


class RandomId(ResourceType):
    name = "random_id"
    schema = Schema(
        {
            "keepers": KEEPERS,
            "byte_length": required(NUMBER, force_new=True, check=_between(1, LONGEST)),
            "prefix": optional(force_new=True),
            **{n: computed() for n in ("id", "b64_url", "b64_std", "hex", "dec")},
        }
    )

    def create(self, call: Call) -> dict[str, Any]:
        drawn = secrets.token_bytes(call.get("byte_length"))
        prefix = call.get("prefix") or ""
        url = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
        return {
            "id": url,
            "b64_url": prefix + url,
            "b64_std": prefix + base64.b64encode(drawn).decode(),
            "hex": prefix + drawn.hex(),
            "dec": prefix + str(int.from_bytes(drawn, "big")),
        }


_STRING_ATTRIBUTES: Final[dict[str, Attribute]] = {
    "keepers": KEEPERS,
    "length": required(NUMBER, force_new=True, check=_between(1, LONGEST)),
    **{
        n: optional(BOOL, force_new=True, default=boolean(True))
        for n in ("special", "upper", "lower", "numeric")
    },
    "number": optional(BOOL, force_new=True),
    **{
        n: optional(NUMBER, force_new=True, default=number(0), check=_between(0, LONGEST))
        for n in ("min_special", "min_upper", "min_lower", "min_numeric")
    },
    "override_special": optional(force_new=True),
}


def _classes(values: dict[str, Any]) -> dict[str, str]:
    """The characters of each class that may be used."""
    digits = values["numeric"] if values["number"] is None else values["number"]
    classes = {
        "special": (values["override_special"] or SPECIAL) if values["special"] else "",
        "upper": string.ascii_uppercase if values["upper"] else "",
        "lower": string.ascii_lowercase if values["lower"] else "",
        "numeric": string.digits if digits else "",
    }
    return {name: letters for name, letters in classes.items() if letters}


def _draw(values: dict[str, Any]) -> str:
    classes = _classes(values)
    drawn = [
        secrets.choice(letters)
        for name, letters in classes.items()
        for _ in range(values[f"min_{name}"] or 0)
    ]
    everything = "".join(classes.values())
    drawn += [secrets.choice(everything) for _ in range(values["length"] - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)


class RandomString(ResourceType):
    name = "random_string"
    schema = Schema({**_STRING_ATTRIBUTES, "id": computed(), "result": computed()})

    def check(self, config: Values) -> str:
        if not all(config[n].is_wholly_known for n in _STRING_ATTRIBUTES):
            return ""
        values = {n: to_python(config[n].deeply_unmarked()) for n in _STRING_ATTRIBUTES}
        classes = _classes(values)
        if not classes:
            return "at least one of special, upper, lower and numeric must be true."
        least = sum(values[f"min_{name}"] or 0 for name in classes)
        if values["length"] < least:
            return (
                f"length must be at least {least}, the sum of min_special, min_upper, min_lower, min_numeric."
            )
        return ""

    def create(self, call: Call) -> dict[str, Any]:
        drawn = _draw({n: call.get(n) for n in _STRING_ATTRIBUTES})
        return {"id": drawn, "result": drawn}


class RandomPassword(RandomString):
    name = "random_password"
    schema = Schema(
        {
            **_STRING_ATTRIBUTES,
            "id": computed(),
            "result": computed(sensitive=True),
            "bcrypt_hash": computed(sensitive=True),
        }
    )

    def create(self, call: Call) -> dict[str, Any]:
        drawn = _draw({n: call.get(n) for n in _STRING_ATTRIBUTES})
        # bcrypt looks at 72 bytes and refuses more.
        hashed = bcrypt.hashpw(drawn.encode()[:72], bcrypt.gensalt(10)).decode()
        return {"id": "none", "result": drawn, "bcrypt_hash": hashed}


class RandomInteger(ResourceType):
    name = "random_integer"
    schema = Schema(
        {
            "keepers": KEEPERS,
            "min": required(NUMBER, force_new=True),
            "max": required(NUMBER, force_new=True),
            "seed": optional(force_new=True),
            "id": computed(),
            "result": computed(NUMBER),
        }
    )

    def check(self, config: Values) -> str:
        low, high = config["min"], config["max"]
        if not (low.is_wholly_known and high.is_wholly_known):
            return ""
        first, last = to_python(low), to_python(high)
        if not (isinstance(first, int) and isinstance(last, int)):
            return "min and max must be whole numbers."
        return "" if first <= last else "min must not be greater than max."

    def create(self, call: Call) -> dict[str, Any]:
        drawn = _generator(call.get("seed")).randint(call.get("min"), call.get("max"))
        return {"id": str(drawn), "result": drawn}


class RandomPet(ResourceType):
    name = "random_pet"
    schema = Schema(
        {
            "keepers": KEEPERS,
            "length": optional(NUMBER, force_new=True, default=number(2), check=_between(1, 32)),
            "prefix": optional(force_new=True),
            "separator": optional(force_new=True, default=text("-")),
            "id": computed(),
        }
    )

    def create(self, call: Call) -> dict[str, Any]:
        length = call.get("length")
        words = [secrets.choice(ADVERBS) for _ in range(length - 2)]
        words += [secrets.choice(ADJECTIVES)] if length > 1 else []
        words.append(secrets.choice(ANIMALS))
        prefix = call.get("prefix")
        return {"id": call.get("separator").join(([prefix] if prefix else []) + words)}


class RandomUuid(ResourceType):
    name = "random_uuid"
    schema = Schema({"keepers": KEEPERS, "id": computed(), "result": computed()})

    def create(self, call: Call) -> dict[str, Any]:
        drawn = str(uuid.uuid4())
        return {"id": drawn, "result": drawn}


class RandomShuffle(ResourceType):
    name = "random_shuffle"
    schema = Schema(
        {
            "keepers": KEEPERS,
            "input": required(list_type(STRING), force_new=True),
            "result_count": optional(NUMBER, force_new=True, check=_between(0, 100_000)),
            "seed": optional(force_new=True),
            "id": computed(),
            "result": computed(list_type(STRING)),
        }
    )

    def create(self, call: Call) -> dict[str, Any]:
        items, count = call.get("input"), call.get("result_count")
        count = len(items) if count is None else count
        generator = _generator(call.get("seed"))
        drawn: list[str] = []
        # More than there are: the input again, shuffled anew each time.
        while items and len(drawn) < count:
            drawn += generator.sample(items, len(items))
        return {"id": "-", "result": drawn[:count]}


class RandomBytes(ResourceType):
    name = "random_bytes"
    schema = Schema(
        {
            "keepers": KEEPERS,
            "length": required(NUMBER, force_new=True, check=_between(1, LONGEST)),
            "base64": computed(sensitive=True),
            "hex": computed(sensitive=True),
        }
    )

    def create(self, call: Call) -> dict[str, Any]:
        drawn = secrets.token_bytes(call.get("length"))
        return {"base64": base64.b64encode(drawn).decode(), "hex": drawn.hex()}


def _generator(seed: str | None) -> random.Random:
    return random.Random(seed) if seed else secrets.SystemRandom()  # noqa: S311 - a seed asks for repeatable
