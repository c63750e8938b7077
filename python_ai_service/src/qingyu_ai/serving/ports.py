"""Sockets to listen on, and the descriptors that connections need."""

import socket
import sys

# Who waits to be accepted; the system cuts it to its own limit.
BACKLOG = 1024
# More could not be served anyway: an idle connection costs some 20 KiB.
_MAX_CONNECTIONS = 4096
_MIN_CONNECTIONS = 16
# The process's own: files, Milvus, Redis, the loop.
_OWN_DESCRIPTORS = 64
_ENOUGH_DESCRIPTORS = 65_536


class PortError(OSError):
    """A port cannot be listened on; the message is one line that names it."""


def listen(host: str, port: int, setting: str) -> socket.socket:
    """Listens at once, so that no other process can have the port while the rest is put together.

    Raises `PortError`. What is written is sent at once: accepted sockets inherit the option, and asyncio sets it only
    on sockets that name TCP as their protocol, as none from `create_server` does.
    """
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        raise PortError(f"Port {port} ({setting}) of {host} cannot be listened on: {error.strerror}.") from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def raise_descriptor_limit() -> int:
    """Lets the process have as many descriptors as it may; returns how many that is."""
    if sys.platform == "win32":
        return _ENOUGH_DESCRIPTORS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _ENOUGH_DESCRIPTORS:
        return _ENOUGH_DESCRIPTORS
    wanted = _ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def connections_per_port(descriptors: int, max_concurrency: int, ports: int) -> int:
    """How many connections each port may have, so that all ports together leave calls what they open themselves."""
    reserved = min(descriptors // 2, _OWN_DESCRIPTORS + max_concurrency)
    return max(_MIN_CONNECTIONS, min(_MAX_CONNECTIONS, (descriptors - reserved) // ports))
