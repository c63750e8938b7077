"""What both providers do with a conversation."""

from qingyu_ai.errors import invalid
from qingyu_ai.generation import Message, Task

ONE_JSON_OBJECT = "Answer with one JSON object and nothing else."
_ROLES = {"system", "user", "assistant"}


def with_knowledge(task: Task) -> tuple[Message, ...]:
    """The task's messages; its knowledge stands after the leading system messages, before what people said.

    Raises `invalid_request` for another role than system, user and assistant: it needs tools.
    """
    for message in task.messages:
        if message.role not in _ROLES:
            raise invalid(f"messages.role: {message.role!r} is none of system, user, assistant")
    if not task.knowledge:
        return task.messages
    first = next((index for index, message in enumerate(task.messages) if message.role != "system"), 0)
    return (*task.messages[:first], Message("system", task.knowledge), *task.messages[first:])
