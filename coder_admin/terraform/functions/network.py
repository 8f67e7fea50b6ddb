"""IP networks: cidrhost, cidrnetmask, cidrsubnet, cidrsubnets."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from ..numbers import to_int
from ..types import NUMBER, STRING, list_type
from ..values import Value, list_of, string
from .registry import FunctionContext, FunctionError, Parameter, function

_PREFIX = Parameter("prefix", STRING)


@dataclass(frozen=True, slots=True)
class Network:
    """An address (the network's first one) of 32 or 128 bits and the number of its fixed bits."""

    address: int
    length: int
    bits: int

    @property
    def host_bits(self) -> int:
        return self.bits - self.length

    def text(self) -> str:
        return f"{address_text(self.address, self.bits)}/{self.length}"


def address_text(address: int, bits: int) -> str:
    """The address as Go writes it."""
    if bits == 32:
        return str(ipaddress.IPv4Address(address))
    return str(ipaddress.IPv6Address(address))


def parse_network(text: str, arg_index: int | None = None) -> Network:
    """`10.0.0.0/8` or `fd00::/56`; leading zeros in IPv4 are allowed and mean nothing."""
    head, slash, tail = text.partition("/")
    digits = tail.isascii() and tail.isdecimal() and len(tail) <= 9
    if slash and digits:
        bits = 128 if ":" in head else 32
        length = int(tail)
        address = _parse_address(head, bits)
        if address is not None and length <= bits:
            host = bits - length
            return Network(address >> host << host, length, bits)
    raise FunctionError(f"invalid CIDR expression: invalid CIDR address: {text}", arg_index)


def _parse_address(text: str, bits: int) -> int | None:
    if bits == 128:
        try:
            return int(ipaddress.IPv6Address(text)) if "%" not in text else None
        except ValueError:
            return None
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts):
        return None
    numbers = [int(part) for part in parts]
    return int.from_bytes(bytes(numbers)) if max(numbers) < 256 else None


def _whole(value: Value, arg_index: int | None = None) -> int:
    try:
        return to_int(value.data)
    except ValueError:
        raise FunctionError("value must be a whole number", arg_index) from None


@function("cidrhost", _PREFIX, Parameter("hostnum", NUMBER), returns=STRING)
def _cidrhost(args: Sequence[Value], context: FunctionContext) -> Value:
    host = _whole(args[1])
    network = parse_network(args[0].data)
    size = 1 << network.host_bits
    if host >= size or -host > size:
        raise FunctionError(f"prefix of {network.length} does not accommodate a host numbered {host}")
    return string(address_text(network.address + host % size, network.bits))


@function("cidrnetmask", _PREFIX, returns=STRING)
def _cidrnetmask(args: Sequence[Value], context: FunctionContext) -> Value:
    network = parse_network(args[0].data)
    if network.bits == 128:
        raise FunctionError("IPv6 addresses cannot have a netmask: " + args[0].data)
    mask = (1 << 32) - (1 << network.host_bits)
    return string(address_text(mask, 32))


@function("cidrsubnet", _PREFIX, Parameter("newbits", NUMBER), Parameter("netnum", NUMBER), returns=STRING)
def _cidrsubnet(args: Sequence[Value], context: FunctionContext) -> Value:
    newbits, netnum = _whole(args[1]), _whole(args[2])
    network = parse_network(args[0].data)
    length = network.length + newbits
    if not 0 <= length <= network.bits:
        raise FunctionError(f"insufficient address space to extend prefix of {network.length} by {newbits}")
    if netnum >= 1 << max(newbits, 0):
        raise FunctionError(f"prefix extension of {newbits} does not accommodate a subnet numbered {netnum}")
    shift = network.bits - length
    # A negative number gives what Terraform's arithmetic gives, which is outside the network.
    address = abs(network.address | netnum << shift) % (1 << network.bits)
    return string(Network(address, length, network.bits).text())


def _check_newbits(newbits: int, index: int) -> None:
    if newbits < 1:
        raise FunctionError("must extend prefix by at least one bit", index)
    if newbits > 32:
        raise FunctionError("may not extend prefix by more than 32 bits", index)


@function("cidrsubnets", _PREFIX, variadic=Parameter("newbits", NUMBER), returns=list_type(STRING))
def _cidrsubnets(args: Sequence[Value], context: FunctionContext) -> Value:
    network = parse_network(args[0].data, 0)
    if network.length == 0 and len(args) > 1:
        raise FunctionError("a network that is the whole address space cannot be divided", 0)
    found: list[Value] = []
    end = network.address + (1 << network.host_bits)
    at = network.address
    for index, arg in enumerate(args[1:], 1):
        newbits = _whole(arg, index)
        _check_newbits(newbits, index)
        length = network.length + newbits
        if length > network.bits:
            kind = "IPv4" if network.bits == 32 else "IPv6"
            raise FunctionError(
                f"would extend prefix to {length} bits, which is too long for an {kind} address", index
            )
        size = 1 << (network.bits - length)
        at = -(-at // size) * size  # the next place that such a subnet can begin
        if at + size > end:
            raise FunctionError(
                f"not enough remaining address space for a subnet with a prefix of {length} bits after "
                f"{found[-1].data if found else 'the start'}",
                index,
            )
        found.append(string(Network(at, length, network.bits).text()))
        at += size
    return list_of(found, STRING)
