"""`scanonce doctor`: finds what would go wrong in a project, and fixes what can be fixed safely.

Each `check_*.py` holds functions that yield findings; `runner.py` lists them, and makes sure that none can stop the
others or hang. A check changes nothing: a finding carries its fix, which `fix.py` applies on request.
"""
