"""The gate of a page, in node, with puppeteer's own function for the page."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from supervisor.warm.gate import SCRIPT

PAGE = """
'use strict';
globalThis.window = globalThis;
globalThis.Node = class {};
// What puppeteer-core 24.38.0 does (src/cdp/utils.ts): the journal is `args`, and a call goes to the binding.
function addPageBinding(name) {
  globalThis[name] = (...args) => {
    const me = globalThis[name];
    me.args ??= new Map();
    me.callbacks ??= new Map();
    const seq = (me.lastSeq ?? 0) + 1;
    me.lastSeq = seq;
    me.args.set(seq, args);
    globalThis['puppeteer_' + name](JSON.stringify({ type: 'exposedFun', name, seq, args, isTrivial: true }));
    return new Promise((done) => me.callbacks.set(seq, { resolve: (value) => (me.args.delete(seq), done(value)) }));
  };
}
const heard = [];
const connect = (...names) => names.forEach((name) => {
  globalThis['puppeteer_' + name] = (payload) => heard.push([name, JSON.parse(payload).args[0]]);
});
const answer = (name, seq) => globalThis[name].callbacks.get(seq).resolve();
const gate = GATE;
connect('onMessage', 'onAck');
for (const name of ['onMessage', 'onAck']) addPageBinding(name);
"""


def run(script: str) -> Any:
    """The value of `result` after a script in a page with two functions, `onMessage` and `onAck`."""
    told = "\nPromise.resolve(result).then((value) => process.stdout.write(JSON.stringify(value)));"
    source = PAGE.replace("GATE", SCRIPT) + script + told
    asked = subprocess.run(["node", "-"], input=source, capture_output=True, text=True, timeout=60, check=False)
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def test_while_it_is_closed_calls_wait_and_come_in_their_order() -> None:
    heard, replayed = run(
        "onMessage(1); gate('close', { limit: 10 }); onMessage(2); onAck(3); onMessage(4);"
        "const before = heard.length; const { replayed } = gate('open', { begun: { onMessage: 1 }, bound: null });"
        "onAck(5); const result = [[before, heard], replayed];"
    )
    assert heard == [1, [["onMessage", 1], ["onMessage", 2], ["onAck", 3], ["onMessage", 4], ["onAck", 5]]]
    assert replayed == 3


def test_what_no_bot_has_begun_is_delivered_and_what_one_had_begun_is_not() -> None:
    found = run(
        "connect('onMessage'); for (const n of [1, 2, 3]) onMessage(n); answer('onMessage', 1); heard.length = 0;"
        "gate('close', { limit: 10 }); const opened = gate('open', { begun: { onMessage: 2 }, bound: null });"
        "const result = [heard, opened.unfinished, onMessage.args.size];"
    )
    assert found == [[["onMessage", 3]], {"onMessage": 1}, 1]


def test_calls_from_before_the_gate_keep_the_order_among_all_functions() -> None:
    found = run(
        "gate('mark', {}); onAck(1); onMessage(2); onAck(3); onMessage(4); heard.length = 0;"
        "gate('close', { limit: 9 }); onAck(5); gate('open', { begun: { onAck: 1 }, bound: null });"
        "const result = heard;"
    )
    assert found == [["onMessage", 2], ["onAck", 3], ["onMessage", 4], ["onAck", 5]]


def test_a_function_that_is_bound_late_gets_its_calls_then() -> None:
    found = run(
        "gate('close', { limit: 10 }); onMessage(1); onAck(2);"
        "gate('open', { begun: {}, bound: ['onMessage'] }); const first = [...heard]; onAck(3); onMessage(4);"
        "gate('open', { begun: {}, bound: ['onAck'] }); const result = [first, heard];"
    )
    assert found == [[["onMessage", 1]], [["onMessage", 1], ["onMessage", 4], ["onAck", 2], ["onAck", 3]]]


def test_what_finds_no_room_is_counted_and_forgotten() -> None:
    found = run(
        "gate('close', { limit: 2 }); for (const n of [1, 2, 3, 4]) onMessage(n);"
        "const result = new Promise((resolve) => setTimeout(() => {"  # the page goes on, and forgets them then
        "  const { dropped } = gate('state', {}); const opened = gate('open', { begun: {}, bound: null });"
        "  resolve([dropped, opened.dropped, opened.replayed, onMessage.args.size]); }));"
    )
    assert found == [2, 2, 2, 2]


@pytest.mark.parametrize("times", [1, 50])
def test_however_often_it_is_closed_the_page_has_one_gate(times: int) -> None:
    found = run(
        f"const keys = Object.keys(window).length; for (let i = 0; i < {times}; i += 1) {{"
        "gate('close', { limit: 9 });"
        "connect('onMessage', 'onAck'); onMessage(i); gate('open', { begun: { onMessage: i }, bound: null }); }"
        "const result = [heard.length, Object.keys(window).length - keys, gate('state', {}).queued];"
    )
    assert found == [times, 0, 0]


def test_a_gate_that_is_closed_twice_still_knows_what_came_before_the_first_time() -> None:
    found = run(
        "gate('close', { limit: 9 }); onMessage(1); const { names } = gate('close', { limit: 9 });"
        "gate('open', { begun: {}, bound: null }); const result = [names.onMessage, heard];"
    )
    assert found == [0, [["onMessage", 1]]]


def test_what_the_page_has_since_the_bot_was_ready_is_named() -> None:
    found = run(
        "gate('mark', {}); window.theirs = 1; connect('onMore'); addPageBinding('onMore');"
        "const { globals, marked } = gate('close', { limit: 9 }); const result = [globals, marked];"
    )
    assert found == [["theirs"], True]


def test_a_page_that_was_loaded_anew_is_not_marked() -> None:
    assert run("const { marked } = gate('close', { limit: 9 }); const result = marked;") is False
