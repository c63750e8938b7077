"""The collections of a knowledge base in Milvus.

Documents are apart from passages, so that what is known of them is read without touching any passage. The key of each
is hashed, so that ids of callers need no quoting and no length limit. Rows of one scope share a partition.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qingyu_ai.knowledge.milvus import DataType, Function, FunctionType, MilvusClient

# Of a call.
TIMEOUT_S = 10.0
_ID_BYTES = 64
_MAX_LABELS = 100


class Creator:
    """Makes collections. Blocks, as all of the synchronous client.

    Args:
        uri: The server's.
        access: The client's further arguments.
    """

    def __init__(self, uri: str, access: dict[str, str]) -> None:
        self._uri = uri
        self._access = access

    def documents(self, name: str) -> None:
        """The collection of documents."""
        with self._creating(name) as (_, schema, index):
            schema.add_field("doc_type", DataType.VARCHAR, max_length=_ID_BYTES)
            schema.add_field("kept", DataType.JSON)
            # Milvus takes no collection without a vector.
            schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)
            index.add_index("nothing", index_type="FLAT", metric_type="L2")

    def passages(self, name: str, dimension: int | None) -> None:
        """The collection of passages; without a dimension they have no vectors."""
        with self._creating(name) as (client, schema, index):
            schema.add_field("document", DataType.VARCHAR, max_length=_ID_BYTES)
            schema.add_field("chunk", DataType.INT64)
            schema.add_field(
                "labels", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=_MAX_LABELS, max_length=_ID_BYTES
            )
            schema.add_field("text", DataType.VARCHAR, max_length=8192)
            # Hashed terms with spaces between: words that every version's standard analyser sees alike.
            schema.add_field("terms", DataType.VARCHAR, max_length=65_535, enable_analyzer=True)
            schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
            bm25 = Function("bm25", FunctionType.BM25, input_field_names=["terms"], output_field_names=["sparse"])
            schema.add_function(bm25)
            index.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
            if dimension:
                schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
                # The choice of Milvus Lite's server is a graph that loses filtered results.
                is_lite = "lite" in client.get_server_version().lower()
                index.add_index("vector", index_type="FLAT" if is_lite else "AUTOINDEX", metric_type="COSINE")

    @contextmanager
    def _creating(self, name: str) -> Iterator[tuple[Any, Any, Any]]:
        client = MilvusClient(self._uri, timeout=TIMEOUT_S, **self._access)
        try:
            schema = client.create_schema(auto_id=False)
            schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_ID_BYTES)
            schema.add_field("scope", DataType.VARCHAR, max_length=_ID_BYTES, is_partition_key=True)
            index = client.prepare_index_params()
            yield client, schema, index
            client.create_collection(
                name, schema=schema, index_params=index, consistency_level="Strong", timeout=TIMEOUT_S
            )
        finally:
            client.close()
