"""Under which names the server answers.

A page in a browser of this machine may have its own name resolved to this server's address (DNS rebinding), and then
read what it answers. Its requests still carry that name in `Host`.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::[0-9]{1,5})?")


def is_own(host: str, listen: str, *, public: bool, hosts: Iterable[str]) -> bool:
    """Whether a `Host` header names this server, which listens on the address `listen`; the port may be any.

    Names of the loopback interface do, and `listen` itself. On a `public` address so do IP addresses, names without a
    dot and this machine's name, none of which a foreign page can have as its own, and the names that are given.

    >>> is_own("localhost:9464", "127.0.0.1", public=False, hosts=())
    True
    >>> is_own("evil.example:9464", "127.0.0.1", public=False, hosts=())
    False
    """
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return False
    name = (match[1] or match[2]).removesuffix(".")
    if name in {"localhost", listen.lower()}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback or public
    except ValueError:
        named = {socket.gethostname().lower(), *(given.lower() for given in hosts)}
        return public and ("." not in name or name in named)
