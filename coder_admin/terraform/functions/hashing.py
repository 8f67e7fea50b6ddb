"""Hashes, UUIDs and crypto: md5, sha1, sha256, sha512, base64 forms, bcrypt, rsadecrypt, uuid, uuidv5."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable, Sequence

from ..types import NUMBER, STRING
from ..values import NOT_NULL, Value, string, unknown
from .encoding import decode_base64, decode_utf8
from .numeric import int_argument
from .registry import FunctionContext, FunctionError, Parameter, function

_STR = Parameter("str", STRING)
_MAX_BCRYPT_COST = 14  # a build must not spend minutes in one call; 14 takes about a second
_NAMESPACES = {
    "dns": uuid.NAMESPACE_DNS,
    "url": uuid.NAMESPACE_URL,
    "oid": uuid.NAMESPACE_OID,
    "x500": uuid.NAMESPACE_X500,
}

Digest = Callable[[bytes], bytes]


def _hex(name: str) -> Callable[[bytes], str]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest()


def _base64(name: str) -> Callable[[bytes], str]:
    return lambda data: base64.b64encode(hashlib.new(name, data, usedforsecurity=False).digest()).decode()


# The functions over a string; each has a twin over a file (files.py).
TEXT_HASHES: dict[str, Callable[[bytes], str]] = {
    "md5": _hex("md5"),
    "sha1": _hex("sha1"),
    "sha256": _hex("sha256"),
    "sha512": _hex("sha512"),
    "base64sha256": _base64("sha256"),
    "base64sha512": _base64("sha512"),
}


def _register(name: str, digest: Callable[[bytes], str]) -> None:
    @function(name, _STR, returns=STRING)
    def _call(args: Sequence[Value], context: FunctionContext) -> Value:
        return string(digest(args[0].data.encode()))


for _name, _digest in TEXT_HASHES.items():
    _register(_name, _digest)


@function("bcrypt", _STR, variadic=Parameter("cost", NUMBER), returns=STRING)
def _bcrypt(args: Sequence[Value], context: FunctionContext) -> Value:
    if len(args) > 2:
        raise FunctionError("bcrypt() takes no more than two arguments")
    cost = int_argument(args, 1) if len(args) > 1 else 10
    if cost > _MAX_BCRYPT_COST:
        raise FunctionError(f"a cost above {_MAX_BCRYPT_COST} takes too long; {cost} was given")
    password = args[0].data.encode()
    if len(password) > 72:
        raise FunctionError("bcrypt takes a text of at most 72 bytes")
    if context.now is None:
        return unknown(STRING, NOT_NULL)
    import bcrypt

    rounds = cost if cost >= 4 else 10
    context.budget.spend(1 << rounds)
    return string(bcrypt.hashpw(password, bcrypt.gensalt(rounds, prefix=b"2a")).decode())


@function("rsadecrypt", Parameter("ciphertext", STRING), Parameter("privatekey", STRING), returns=STRING)
def _rsadecrypt(args: Sequence[Value], context: FunctionContext) -> Value:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_ssh_private_key,
    )

    try:
        ciphertext = decode_base64(args[0].data)
    except (binascii.Error, ValueError):
        raise FunctionError("failed to decode the ciphertext: it must be base64-encoded", 0) from None
    pem = args[1].data.encode()
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in pem else load_pem_private_key
    try:
        key = load(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise FunctionError(
            "the private key cannot be read; give an RSA key in PEM form, without a password", 1
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise FunctionError("the private key must be an RSA key", 1)
    try:
        plain = key.decrypt(ciphertext, padding.PKCS1v15())
    except ValueError:
        raise FunctionError("failed to decrypt: the key does not fit the ciphertext") from None
    return string(decode_utf8(plain, "the decrypted text"))


@function("uuid", returns=STRING)
def _uuid(args: Sequence[Value], context: FunctionContext) -> Value:
    return unknown(STRING, NOT_NULL) if context.now is None else string(str(uuid.uuid4()))


@function("uuidv5", Parameter("namespace", STRING), Parameter("name", STRING), returns=STRING)
def _uuidv5(args: Sequence[Value], context: FunctionContext) -> Value:
    text: str = args[0].data
    namespace = _NAMESPACES.get(text)
    if namespace is None:
        try:
            namespace = uuid.UUID(text)
        except ValueError:
            raise FunctionError(f'"{text}" is neither a UUID nor one of dns, url, oid and x500') from None
    return string(str(uuid.uuid5(namespace, args[1].data)))
