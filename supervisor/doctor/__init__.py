"""What would go wrong in a project, and how to mend it (`scanonce doctor`).

One small module per group of findings; `registry.py` lists them and sees to it that none of them can stop the others or
take for ever. Looking changes nothing: what may be mended safely is carried along with the finding, and `fixing.py`
does it if asked. Only this command pays for these modules: a supervisor never imports them.
"""

from supervisor.doctor.finding import Finding, Fix, Verdict
from supervisor.doctor.fixing import Fixed, mend
from supervisor.doctor.place import Place, open_place
from supervisor.doctor.registry import NAMES, examine

__all__ = ["NAMES", "Finding", "Fix", "Fixed", "Place", "Verdict", "examine", "mend", "open_place"]
