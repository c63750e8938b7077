"""The Python AI service behind the Qingyu AI Gateway."""

import os
import sys

# In words that every Python 3 reads, before anything that an older one would stumble over.
if sys.version_info < (3, 11):  # noqa: UP036 - an installer is not always asked
    sys.exit("qingyu_ai needs Python 3.11 or newer; this is %d.%d.%d." % sys.version_info[:3])  # noqa: UP031

# gRPC would write lines of its own, which are no JSON; it reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
