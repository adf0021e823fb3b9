"""Which network addresses media may be fetched from."""

from __future__ import annotations

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds answer their machines with credentials. Refused also where private addresses are allowed.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, and others
            "169.254.170.2",  # AWS, containers
            "169.254.170.23",  # AWS, EKS
            "168.63.129.16",  # Azure; globally routable by its number
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, EKS
            "fd20:ce::254",  # Google
        ),
    )
)
# IPv6 addresses that stand for an IPv4 address in their last 32 bits (RFC 6052, 8215; RFC 4291, 2.5.5.1).
_IPV4_IN_LAST_32_BITS: Final = tuple(
    map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96"))
)


def why_refused(address: str, allow_private: bool) -> str | None:
    """Why no connection may be made to an address.

    Args:
        address: IPv4 or IPv6, numeric, as a resolver gives it; a zone (``%eth0``) is allowed.
        allow_private: private, loopback and link-local addresses are allowed.

    Returns:
        The reason, for a person; None where the address is allowed.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return next(filter(None, (_refusal(meant, allow_private) for meant in _meant(parsed))), None)


def _refusal(address: Address, allow_private: bool) -> str | None:
    if address in _METADATA:
        return f"{address} is a metadata service"
    if address.is_multicast or address.is_unspecified:
        return f"{address} is no address of one host"
    if not address.is_global and not (allow_private and _is_private(address)):
        return f"{address} is a private, local or reserved address"
    return None


def _is_private(address: Address) -> bool:
    return (address.is_private and not address.is_reserved) or address.is_loopback or address.is_link_local


def _meant(address: Address) -> list[Address]:
    """The address, or the IPv4 addresses that an IPv6 address stands for or is tunnelled to."""
    if isinstance(address, ipaddress.IPv4Address) or address in (
        ipaddress.IPv6Address("::1"),
        ipaddress.IPv6Address("::"),
    ):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.teredo is not None:
        return [address, *address.teredo]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if any(address in network for network in _IPV4_IN_LAST_32_BITS):
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [address]
