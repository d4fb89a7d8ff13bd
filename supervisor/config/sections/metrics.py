"""The section `[metrics]`."""

import ipaddress
from typing import Literal, Self

from pydantic import model_validator

from supervisor.config.types import Bool, Listen, Section, Str, option, split_address


class MetricsConfig(Section):
    """Health and metrics over HTTP, for monitoring: `/livez`, `/readyz`, `/metrics`. Off unless `listen` is set."""

    listen: Listen | None = option(
        None,
        "The address and port to listen on; not set, there is no server. Set it for Prometheus, a container platform "
        "or a load balancer.",
        examples=["127.0.0.1:9464"],
    )
    public: Bool = option(
        False,
        "Allow `listen` to be an address that other machines can reach. Set true only where a firewall or a "
        "container's network restricts access: there is no password and no encryption.",
    )
    hosts: tuple[Str, ...] = option(
        (),
        "Further host names under which a `public` address is reached. IP addresses, names without a dot and the "
        "machine's own name need not be listed. A request for any other name is refused with 421, so that no web page "
        "can read the metrics through a browser.",
        examples=[["bot.internal.example"]],
    )
    session_label: Literal["masked", "id"] = option(
        "masked",
        'How sessions are named in the metrics: "masked" leaves four digits of a phone number, "id" is the full id. '
        'Use "id" where the metrics are as private as the bot itself.',
    )

    @model_validator(mode="after")
    def _stays_on_this_machine(self) -> Self:
        if self.listen is not None and not self.public and not _is_loopback(split_address(self.listen)[0]):
            raise ValueError(
                f'listen is "{self.listen}", which other machines may reach; expected a loopback address such as '
                '"127.0.0.1:9464", or public = true as well'
            )
        return self


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
