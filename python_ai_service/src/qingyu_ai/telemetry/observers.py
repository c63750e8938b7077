"""Who is told of calls besides the log."""

from typing import Protocol

from qingyu_ai.telemetry.call import CallRecord


class CallObserver(Protocol):
    """Told of each call, in the call's own task; never fails."""

    def began(self, record: CallRecord, rpc: str) -> None:
        """A call of a method of the contract came; of the record only what its headers say is set."""
        ...

    def ended(self, record: CallRecord, rpc: str, code: str, error: str) -> None:
        """It ended: `code` is ok or the RPC's code, `error` the service's word for a failure or empty."""
        ...
