"""What would go wrong in a project, and how to mend it (`scanonce doctor`).

One small module per group of findings; `registry.py` lists them and sees to it that none of them can stop the others or
take for ever. Looking changes nothing: what may be mended safely is carried along with the finding, and `fixing.py`
does it if asked. Only this command pays for these modules: a supervisor never imports them.
"""
