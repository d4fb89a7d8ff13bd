"""Webhooks against real servers: signed, tried again, given up, dropped, and never in anybody's way."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from supervisor.log import logger
from supervisor.notify import signature
from supervisor.notify.apprise_worker import without_secrets
from supervisor.notify.message import Message
from supervisor.notify.outbox import Outbox, pause_after
from supervisor.notify.target import DeliveryError
from supervisor.notify.webhook import Webhook
from tests import ROOT
from tests.helpers.endpoint import Behaviour, Endpoint, endpoint
from tests.helpers.waiting import eventually

CERTIFICATE = ROOT / "tests" / "helpers" / "localhost.pem"
Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def events() -> Iterator[Events]:
    """All that is said of messages."""
    said: Events = []
    unsubscribe = logger.subscribe(lambda name, fields: said.append((name, dict(fields))))
    yield said
    unsubscribe()


def message(**changes: Any) -> Message:
    fields: dict[str, Any] = {"kind": "recovered", "event": "session.restored", "level": "warning", "text": "restored"}
    return Message(**{**fields, "project": "/srv/bot", "session": "1"} | changes)


def webhook(url: str, *, key: bytes | None = None, timeout: float = 5.0) -> Webhook:
    return Webhook("webhook 1 (127.0.0.1)", url, key, timeout)


def names(events: Events) -> list[str]:
    return [name for name, _ in events]


async def until(events: Events, name: str) -> dict[str, Any]:
    """The fields of the first event of a name, once there is one."""
    await eventually(lambda: name in names(events), name)
    return next(fields for found, fields in events if found == name)


# -- one delivery ------------------------------------------------------------------------------------------------------


async def test_a_webhook_gets_the_event_and_whose_it_is() -> None:
    fields = {"session": "1", "snapshot": "backup-1-5", "paths": ["caf\udce9"]}
    async with endpoint() as server:
        sent = message(fields=fields, text="caf\udce9")
        await webhook(server.url + "?a=b c").deliver(sent)
    [received] = server.received
    assert received.path == "/hook?a=b%20c"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("scanonce/")
    assert "webhook-signature" not in received.headers
    document = received.json
    assert document.pop("host") == socket.gethostname()
    assert document.pop("ts").endswith("Z")
    assert document == {
        "version": 1,
        "id": sent.id,
        "kind": "recovered",
        "event": "session.restored",
        "level": "warning",
        "project": "/srv/bot",
        "session": "1",
        "text": "caf\\udce9",
        "suppressed": 0,
        "fields": {"session": "1", "snapshot": "backup-1-5", "paths": ["caf\\udce9"]},
        "qr": None,
    }


async def test_the_code_comes_as_text_and_as_an_image() -> None:
    async with endpoint() as server:
        await webhook(server.url).deliver(message(qr="2@abc,def"))
    qr = server.received[0].json["qr"]
    assert qr["text"] == "2@abc,def"
    image = base64.b64decode(qr["png"])
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
    assert width == height >= 21 * 8


@pytest.mark.parametrize("secret", ["whsec_" + base64.b64encode(b"a key of bytes").decode(), "a plain passphrase"])
async def test_a_signature_that_anybody_can_verify(secret: str) -> None:
    async with endpoint() as server:
        await webhook(server.url, key=signature.key_of(secret)).deliver(message())
    [received] = server.received
    headers = received.headers
    # As the specification of Standard Webhooks tells a receiver to do it.
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), received.body])
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == received.json["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_the_example_of_the_specification_is_signed_alike() -> None:
    key = signature.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = signature.headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, b'{"test": 2432232314}')
    assert told["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("behaviour", "says", "final"),
    [
        (500, "it answered with status 500", False),
        (503, "it answered with status 503", False),
        (429, "it answered with status 429", False),
        (404, "it answered with status 404", True),
        ("redirect", "it answered with a redirect (302); set the URL that it leads to", True),
        ("close", "its answer is not HTTP, or ended too early", False),
        ("midway", "its answer is not HTTP, or ended too early", False),
        ("garbage", "its answer is not HTTP, or ended too early", False),
    ],
)
async def test_what_is_no_yes_is_told_and_whether_another_try_helps(
    behaviour: Behaviour, says: str, final: bool
) -> None:
    async with endpoint(behaviour) as server:
        with pytest.raises(DeliveryError) as caught:
            await webhook(server.url).deliver(message())
    assert (str(caught.value), caught.value.final) == (says, final)
    assert len(server.received) == 1


async def test_one_that_hangs_is_left_after_its_time() -> None:
    async with endpoint("hang") as server:
        with pytest.raises(DeliveryError, match=r"it gave no answer in 0\.1 s"):
            await webhook(server.url, timeout=0.1).deliver(message())


async def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DeliveryError, match="it cannot be reached: connection refused") as caught:
        await webhook(f"http://127.0.0.1:{port}/").deliver(message())
    assert not caught.value.final


async def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("supervisor.http1.fetch.socket.getaddrinfo", unknown)
    with pytest.raises(DeliveryError, match="it cannot be reached: Name or service not known") as caught:
        await webhook("http://no.invalid/").deliver(message())
    assert not caught.value.final


async def test_a_name_server_that_hangs_is_left_after_the_time_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*_arguments: object, **_options: object) -> list[object]:
        answered.wait(30)
        return []

    monkeypatch.setattr("supervisor.http1.fetch.socket.getaddrinfo", hang)
    try:
        with pytest.raises(DeliveryError, match=r"it gave no answer in 0\.1 s"):
            await webhook("http://no.invalid/", timeout=0.1).deliver(message())
    finally:
        answered.set()


async def test_localhost_is_found_by_name() -> None:
    async with endpoint() as server:
        await webhook(f"http://localhost:{server.port}/").deliver(message())
    assert server.received[0].headers["host"] == f"localhost:{server.port}"


async def test_a_user_and_a_password_in_the_url_are_sent_as_such() -> None:
    async with endpoint() as server:
        await webhook(f"http://me:p%40ss@127.0.0.1:{server.port}/").deliver(message())
    assert server.received[0].headers["authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"


async def test_a_certificate_that_nobody_vouches_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    async with Endpoint().open(context) as server:
        with pytest.raises(DeliveryError, match="its certificate is not trusted: self"):
            await webhook(server.url).deliver(message())
        assert server.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        await webhook(server.url).deliver(message())
        assert len(server.received) == 1


def test_what_a_service_says_holds_no_part_of_its_address() -> None:
    url = "tgram://123456789:AAf-secret_part/my-chat/?token=abcdef"
    said = "Failed to send to 123456789:AAf-secret_part/my-chat (token abcdef): error=401, Unauthorized"
    assert without_secrets(said, url) == "Failed to send to ***:***/*** (*** ***): error=401, Unauthorized"


# -- a queue -----------------------------------------------------------------------------------------------------------


def outbox(server: Endpoint, *, room: int = 10, retry_for: float = 60.0, timeout: float = 5.0) -> Outbox:
    return Outbox(webhook(server.url, timeout=timeout), room=room, retry_for=retry_for, pause=lambda _attempts: 0.01)


async def test_what_does_not_arrive_is_tried_again_with_the_same_id(events: Events) -> None:
    async with endpoint(500, "close", 503, 200) as server:
        box = outbox(server)
        box.put(message())
        await until(events, "notify.sent")
        await box.close(1)
    assert len({received.json["id"] for received in server.received}) == 1
    assert names(events) == ["notify.delayed", "notify.sent"]
    assert events[1][1] == {"target": "webhook 1 (127.0.0.1)", "kind": "recovered", "attempts": 4}


async def test_what_cannot_succeed_and_what_takes_too_long_is_given_up(events: Events) -> None:
    async with endpoint(404, 500) as server:
        box = outbox(server, retry_for=1.0)
        box.put(message())
        box.put(message())
        async with asyncio.timeout(60):
            while names(events).count("notify.failed") < 2:  # noqa: ASYNC110  events wake nobody
                await asyncio.sleep(0.005)
        await box.close(1)
    failed = [fields for name, fields in events if name == "notify.failed"]
    assert [(fields["problem"], fields["attempts"] > 1) for fields in failed] == [
        ("it answered with status 404", False),
        ("it answered with status 500", True),
    ]


def test_the_pauses_grow_from_a_second_to_five_minutes_with_jitter() -> None:
    pauses = [[pause_after(attempts) for _ in range(50)] for attempts in (1, 2, 5, 20)]
    for drawn, longest in zip(pauses, (1, 2, 16, 300), strict=True):
        assert longest * 0.8 <= min(drawn) < max(drawn) <= longest


async def test_a_full_queue_drops_the_oldest_and_says_so(events: Events) -> None:
    async with endpoint("hang") as server:
        box = outbox(server, room=3)
        box.put(message(text="0"))
        await server.until(1)
        for number in range(1, 101):
            box.put(message(text=str(number)))
        dropped = [fields for name, fields in events if name == "notify.dropped"]
        assert len(dropped) == 97
        assert dropped[0]["reason"] == "more than 3 were waiting"
        await box.close(0)
    assert events[-1] == (
        "notify.dropped",
        {"target": "webhook 1 (127.0.0.1)", "count": 4, "reason": "scanonce ends"},
    )


async def test_messages_arrive_in_order_and_the_last_ones_have_a_moment_in_the_end(events: Events) -> None:
    async with endpoint() as server:
        box = outbox(server)
        for number in range(5):
            box.put(message(text=str(number)))
        await box.close(10)
    assert [received.json["text"] for received in server.received] == list("01234")
    assert "notify.dropped" not in names(events)


async def test_a_fault_of_ours_costs_one_message_only(events: Events) -> None:
    class Faulty:
        name = "faulty"
        tries = 0

        async def deliver(self, _message: Message) -> None:
            self.tries += 1
            if self.tries == 1:
                raise RuntimeError("at fault")

    box = Outbox(Faulty(), room=3, retry_for=60)
    box.put(message())
    box.put(message())
    await until(events, "notify.sent")
    await box.close(1)
    assert names(events) == ["error", "notify.failed", "notify.sent"]


async def test_while_one_hangs_nobody_waits(events: Events) -> None:
    async with endpoint("hang") as hanging, endpoint() as server:
        boxes = [outbox(hanging, timeout=0.5), outbox(server)]
        late = asyncio.get_running_loop().time()
        for box in boxes:
            box.put(message())
        await until(events, "notify.sent")
        assert asyncio.get_running_loop().time() - late < 0.5
        for box in boxes:
            await box.close(0)
