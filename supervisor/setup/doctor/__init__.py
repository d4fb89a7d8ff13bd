"""`scanonce doctor`: finds what would go wrong in a project, and fixes what can be fixed safely.

Each `check_*.py` holds functions that yield findings; `runner.py` lists and runs them. A check changes nothing: its
findings carry fixes, which `runner.py` applies on request.
"""
