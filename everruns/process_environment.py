"""The environment of this process and of its children, besides the settings.

Only this module and ``everruns.settings`` read the environment.
"""

import os

from everruns.settings import LOOPBACK_HOSTS


def set_environment(variables: dict[str, str]) -> None:
    """Set variables for child processes; existing values win."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def bypass_proxies_on_loopback() -> None:
    """Keep traffic between this process and its children away from any HTTP proxy.

    Libraries send loopback traffic to the proxy that ``HTTP_PROXY`` names, unless ``NO_PROXY``
    names loopback.
    """
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in listed.split(",") if host.strip()]
    if "*" in hosts:
        return
    value = ",".join([*hosts, *sorted(LOOPBACK_HOSTS - set(hosts))])
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = value


def get_environment(name: str) -> str | None:
    """Return a variable that ``set_environment`` or the caller's environment set."""
    return os.environ.get(name)


def take_environment(name: str) -> str | None:
    """Return a variable and remove it, so that ``set_environment`` can replace it."""
    return os.environ.pop(name, None)
