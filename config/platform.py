"""Variables that a container platform sets for its services: for a service named feishu-batch they have our prefix."""

import re
from collections.abc import Mapping

from config.fields import ENV_PREFIX

# Kubernetes' service links and Docker's links: NAME_PORT=tcp://10.0.0.1:80, NAME_SERVICE_HOST, NAME_PORT_80_TCP_ADDR, …
_ALWAYS = re.compile(
    ENV_PREFIX + r"([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_BY_VALUE = re.compile(ENV_PREFIX + r"([A-Z0-9_]+_)?PORT")  # FEISHU_BATCH_DASHBOARD_PORT is a setting, too
_AN_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+")


def is_of_platform(name: str, value: str) -> bool:
    name = name.upper()
    if _ALWAYS.fullmatch(name):
        return True
    return _BY_VALUE.fullmatch(name) is not None and _AN_ADDRESS.fullmatch(value.strip()) is not None


def of_platform(environ: Mapping[str, str]) -> list[str]:
    return sorted(name for name, value in environ.items() if is_of_platform(name, value))
