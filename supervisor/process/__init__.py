"""Spawning, process trees, freezing, ending and reaping.

This room knows processes and nothing of browsers or sessions. What differs between operating systems stands behind
`Handle` (`handle.py`), chosen once at import; everything else in the room is written against that face.
"""
