"""The Python AI service behind the Qingyu AI Gateway."""

import os

# gRPC would write lines of its own about what this service says itself; it reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
