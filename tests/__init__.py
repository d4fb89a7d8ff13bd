"""The tests, laid out like the product: `unit`, `integration` (the command with a scripted bot), `e2e` (Chromium)."""

from pathlib import Path

#: The checkout.
ROOT = Path(__file__).resolve().parents[1]
