"""Which addresses media may come from."""

from __future__ import annotations

import pytest

from workers.media.addresses import why_refused

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.1.1",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
]
PRIVATE += ["::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "::127.0.0.1"]
NEVER = ["169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254"]
NEVER += [
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",
    "::",
    "240.0.0.1",
    "255.255.255.255",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_only_where_allowed(address: str) -> None:
    assert why_refused(address, allow_private=False)
    if "2002:" not in address:
        assert why_refused(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_addresses_that_are_never_allowed(address: str) -> None:
    assert why_refused(address, allow_private=False)
    assert why_refused(address, allow_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert why_refused(address, allow_private=False) is None


# --- fsspec ------------------------------------------------------------
