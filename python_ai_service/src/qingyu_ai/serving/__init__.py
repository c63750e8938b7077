"""Ports, connections and the end of the process: what stands between sockets and the service."""
