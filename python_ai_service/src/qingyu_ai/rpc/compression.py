"""gzip for requests and answers, with no more work than a request may cause."""

import gzip
import zlib

from connectrpc.code import Code
from connectrpc.compression import Compression
from connectrpc.errors import ConnectError


class OneGzip(Compression):
    """gzip of one member.

    connectrpc's own takes any number of members and copies all that is left for each: 16 MiB of empty members would
    keep the process busy for hours.
    """

    def name(self) -> str:
        return "gzip"

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        return gzip.compress(data, compresslevel=6)

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        """Raises `ConnectError` where more than `read_max_bytes` come out; no more are ever held."""
        if not data:
            return b""
        stream = zlib.decompressobj(wbits=31)
        whole = stream.decompress(data, 0 if read_max_bytes is None else read_max_bytes + 1)
        if read_max_bytes is not None and len(whole) > read_max_bytes:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, f"message is larger than configured max {read_max_bytes}")
        if not stream.eof or stream.unused_data:
            raise ConnectError(Code.INVALID_ARGUMENT, "decompress: not one whole member of gzip")
        return whole
