"""Chromium: finding it, reading its pages, closing it cleanly, and the locks it leaves."""
