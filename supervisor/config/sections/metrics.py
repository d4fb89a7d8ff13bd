"""The section `[metrics]`: where a running supervisor can be asked how it is."""

import ipaddress
from typing import Final, Literal, Self

from pydantic import model_validator

from supervisor.config.types import Bool, Listen, Section, option, split_address

_LOOPBACK_NAMES: Final = {"localhost"}


class MetricsConfig(Section):
    """Health and figures over HTTP, for monitoring: `/livez`, `/readyz`, `/metrics`. Off unless `listen` is set."""

    listen: Listen | None = option(
        None,
        "The address and port to answer on; nobody can ask when not set. Set it to have Prometheus, a container "
        "platform or a load balancer look after the bot.",
        examples=["127.0.0.1:9464"],
    )
    public: Bool = option(
        False,
        "Let `listen` be an address that other machines can reach. Set true only where a firewall or a container's "
        "network decides who that is: there is no password, and no encryption.",
    )
    session_label: Literal["masked", "id"] = option(
        "masked",
        'How sessions are named there: "masked" leaves four digits of a phone number, "id" names them as they are. '
        "Set it where the figures are as private as the bot itself.",
    )

    @model_validator(mode="after")
    def _stays_on_this_machine(self) -> Self:
        if self.listen is not None and not self.public and not _is_loopback(split_address(self.listen)[0]):
            raise ValueError(
                f'listen is "{self.listen}", which other machines may reach; expected an address of this machine alone '
                'such as "127.0.0.1:9464", or public = true as well'
            )
        return self


def _is_loopback(host: str) -> bool:
    return host in _LOOPBACK_NAMES or ipaddress.ip_address(host).is_loopback
