from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.browser.presets import (
    WHATSAPP,
    PageState,
    SessionStatus,
    custom_preset,
    interpret_custom,
    interpret_whatsapp,
)

URL = "https://web.whatsapp.com/"
LOGOUT = URL + "?post_logout=1&logout_reason=0"
QR = "2@abcdefg,hijk,lmno"


def whatsapp(**reading: object) -> PageState:
    page: dict[str, object] = {
        "version": "2.3000.1",
        "state": None,
        "synced": None,
        "qr": None,
        "chats": False,
        "url": URL,
        "last_wid": False,
        "old_logout": False,
    }
    return interpret_whatsapp(page | reading)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("UNLAUNCHED", SessionStatus.STARTING),
        ("OPENING", SessionStatus.STARTING),
        ("TIMEOUT", SessionStatus.STARTING),
        ("PAIRING", SessionStatus.LINKING),
        ("UNPAIRED", SessionStatus.NEEDS_LINK),
        ("UNPAIRED_IDLE", SessionStatus.NEEDS_LINK),
        ("CONNECTED", SessionStatus.LINKED),
        ("CONFLICT", SessionStatus.CONFLICT),
        ("PROXYBLOCK", SessionStatus.BLOCKED),
        ("TOS_BLOCK", SessionStatus.BLOCKED),
        ("SMB_TOS_BLOCK", SessionStatus.BLOCKED),
        ("DEPRECATED_VERSION", SessionStatus.BLOCKED),
        ("SOMETHING_NEW", SessionStatus.UNKNOWN),
    ],
)
def test_every_socket_state_has_its_status(state: str, status: SessionStatus) -> None:
    assert whatsapp(state=state).status is status
    assert whatsapp(state=state).detail


def test_ready_is_connected_and_synced_and_nothing_less() -> None:
    assert whatsapp(state="CONNECTED", synced=True).status is SessionStatus.READY
    assert whatsapp(state="CONNECTED", synced=False).status is SessionStatus.LINKED
    assert whatsapp(state="CONNECTED", synced="yes").status is SessionStatus.LINKED
    assert whatsapp(state="OPENING", synced=True).status is SessionStatus.STARTING


def test_a_page_that_has_not_booted_is_starting() -> None:
    assert whatsapp(version=None).status is SessionStatus.STARTING
    assert whatsapp(version=None, last_wid=True).status is SessionStatus.STARTING


@pytest.mark.parametrize("state", [None, "UNPAIRED", "UNPAIRED_IDLE", "OPENING", "CONFLICT", "UNLAUNCHED", "NEW"])
def test_a_logout_by_the_phone_is_final(state: str | None) -> None:
    assert whatsapp(url=LOGOUT, state=state).status is SessionStatus.LOGGED_OUT
    assert whatsapp(url=LOGOUT, state=state, chats=True).status is SessionStatus.LOGGED_OUT


def test_a_logged_out_page_still_hands_over_its_qr() -> None:
    assert whatsapp(url=LOGOUT, state="UNPAIRED", qr=QR).qr == QR


def test_a_new_link_made_on_the_logged_out_page_counts() -> None:
    assert whatsapp(url=LOGOUT, state="PAIRING").status is SessionStatus.LINKING
    assert whatsapp(url=LOGOUT, state="CONNECTED").status is SessionStatus.LINKED
    assert whatsapp(url=LOGOUT, state="CONNECTED", synced=True).status is SessionStatus.READY


def test_the_qr_is_handed_over_while_it_is_shown() -> None:
    assert whatsapp(state="UNPAIRED", qr=QR) == PageState(SessionStatus.NEEDS_LINK, "the page shows a QR code", QR)
    assert whatsapp(state="UNPAIRED").qr is None
    assert whatsapp(state="UNPAIRED", qr="").qr is None
    assert whatsapp(state="CONNECTED", synced=True, qr=QR).qr is None


def test_the_qr_is_not_in_a_states_representation() -> None:
    state = whatsapp(state="UNPAIRED", qr=QR)
    assert QR not in repr(state)
    assert QR not in f"{state}"


def test_marks_of_an_earlier_link_are_told() -> None:
    assert "linked before" in whatsapp(state="UNPAIRED", last_wid=True).detail
    assert "invalid" in whatsapp(state="UNPAIRED", last_wid=True, old_logout=True).detail
    assert "expired" in whatsapp(state="UNPAIRED_IDLE").detail


def test_without_a_readable_socket_the_document_decides() -> None:
    assert whatsapp(qr=QR) == PageState(SessionStatus.NEEDS_LINK, "the page shows a QR code", QR)
    assert whatsapp(chats=True).status is SessionStatus.READY
    assert whatsapp(qr=QR, chats=True).status is SessionStatus.NEEDS_LINK


def test_a_reading_that_failed_is_unknown() -> None:
    assert interpret_whatsapp({}).status is SessionStatus.UNKNOWN
    assert interpret_whatsapp({"exception": "TypeError: x"}).status is SessionStatus.UNKNOWN


TEXT = st.text(st.sampled_from("aZ0 =\0\x1b\n\u202e\ud800é"))
READINGS = st.dictionaries(
    st.sampled_from(
        [
            "version",
            "state",
            "synced",
            "qr",
            "chats",
            "url",
            "last_wid",
            "old_logout",
            "ready",
            "needs_login",
            "exception",
        ]
    ),
    st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT) | st.just("CONNECTED"),
)


@given(READINGS)
def test_no_reading_upsets_the_interpretation(reading: dict[str, object]) -> None:
    for state in (interpret_whatsapp(reading), interpret_custom(reading)):
        assert isinstance(state.status, SessionStatus)
        assert state.detail.isprintable()
        assert state.qr is None or state.qr.isprintable()


def test_text_from_the_page_cannot_write_to_the_terminal_or_flood_it() -> None:
    state = whatsapp(state="\x1b[2J" + "A" * 10_000)
    assert "\x1b" not in state.detail
    assert len(state.detail) < 300
    assert len(whatsapp(qr="A" * 10_000).qr or "") < 3_000


@pytest.mark.parametrize(
    ("url", "matches"),
    [
        (URL, True),
        (LOGOUT, True),
        ("https://web.whatsapp.com/send?phone=1", True),
        ("https://webawhatsapp.com/", False),
        ("https://web.whatsapp.com.example.org/", False),
        ("https://example.org/?u=https://web.whatsapp.com/", False),
        ("about:blank", False),
    ],
)
def test_the_whatsapp_preset_recognises_its_page(url: str, matches: bool) -> None:
    assert (WHATSAPP.url.fullmatch(url) is not None) is matches


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        ("https://app.example/*", "https://app.example/a/b?c", True),
        ("https://app.example/*", "https://appxexample/a", False),
        ("https://app.example/", "https://app.example/a", False),
        ("https://*.example/login", "https://x.example/login", True),
        ("*", "about:blank", True),
        ("https://x/?a=[1]+(2)", "https://x/?a=[1]+(2)", True),
    ],
)
def test_a_custom_url_knows_one_wildcard(pattern: str, url: str, matches: bool) -> None:
    assert (custom_preset(pattern, ready="1").url.fullmatch(url) is not None) is matches


@pytest.mark.parametrize(
    ("reading", "status"),
    [
        ({"ready": True, "needs_login": False}, SessionStatus.READY),
        ({"ready": True, "needs_login": True}, SessionStatus.READY),
        ({"ready": False, "needs_login": True}, SessionStatus.NEEDS_LINK),
        ({"ready": "TypeError", "needs_login": True}, SessionStatus.NEEDS_LINK),
        ({"ready": False, "needs_login": False}, SessionStatus.STARTING),
        ({"ready": "TypeError: x", "needs_login": False}, SessionStatus.STARTING),
        ({"loading": True}, SessionStatus.STARTING),
        ({"exception": "SyntaxError: y"}, SessionStatus.UNKNOWN),
        ({}, SessionStatus.UNKNOWN),
    ],
)
def test_a_custom_reading_has_its_status(reading: dict[str, object], status: SessionStatus) -> None:
    assert interpret_custom(reading).status is status


def test_a_custom_state_says_what_was_thrown() -> None:
    assert "`ready` threw TypeError: x" in interpret_custom({"ready": "TypeError: x", "needs_login": False}).detail
    assert "SyntaxError: y" in interpret_custom({"exception": "SyntaxError: y"}).detail
