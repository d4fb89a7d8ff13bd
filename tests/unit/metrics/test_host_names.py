"""The names under which the metrics are served."""

from __future__ import annotations

import socket

import pytest

from supervisor.metrics.host_names import is_own


@pytest.mark.parametrize(
    ("host", "own", "public"),
    [
        ("localhost", True, True),
        ("LocalHost:9464", True, True),
        ("localhost.", True, True),
        ("127.0.0.1", True, True),
        ("127.9.9.9:80", True, True),
        ("[::1]:9464", True, True),
        ("192.168.1.7:9464", False, True),
        ("[fe80::1]", False, True),
        ("bot:9464", False, True),
        ("bot.internal.example", False, True),
        (f"{socket.gethostname()}.", False, True),
        ("evil.example", False, False),
        ("evil.example:9464", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("localhost.evil.example", False, False),
        ("bot.internal.example.evil.example", False, False),
        ("localhost@evil.example", False, False),
        ("evil.example#localhost", False, False),
        ("[::1", False, False),
        ("[::1].evil.example", False, False),
        ("::1", False, False),
        ("localhost:port", False, False),
        ("", False, False),
        (":9464", False, False),
    ],
)
def test_only_its_own_names_are_answered(host: str, own: bool, public: bool) -> None:
    for listen in ("127.0.0.1", "::1"):
        assert is_own(host, listen, public=False, hosts=()) is own
    assert is_own(host, "0.0.0.0", public=True, hosts=["Bot.internal.example"]) is public


def test_the_address_that_is_configured_is_its_own() -> None:
    assert is_own("192.168.1.7:9464", "192.168.1.7", public=True, hosts=())
    assert not is_own("bot.internal.example", "192.168.1.7", public=True, hosts=())
