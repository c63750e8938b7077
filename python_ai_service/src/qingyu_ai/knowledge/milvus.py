"""pymilvus without its own settings.

At import it loads the nearest `.env` above its files into the environment, and refuses to be imported where MILVUS_URI,
which is this service's setting, is a local file.
"""

import os

_HIDDEN = {"MILVUS_URI": "", "PYTHON_DOTENV_DISABLED": "1"}
_saved = {name: os.environ.get(name) for name in _HIDDEN}
os.environ.update(_HIDDEN)

from pymilvus import (  # noqa: E402
    AsyncMilvusClient,
    DataType,
    Function,
    FunctionType,
    MilvusClient,
    MilvusException,
)

for _name, _value in _saved.items():
    if _value is None:
        del os.environ[_name]
    else:
        os.environ[_name] = _value

__all__ = ["AsyncMilvusClient", "DataType", "Function", "FunctionType", "MilvusClient", "MilvusException"]
