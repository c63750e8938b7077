"""How knowledge is put before a conversation."""

from qingyu_ai.generation import Message, Task


def with_knowledge(task: Task) -> tuple[Message, ...]:
    """The task's messages; its knowledge stands after the leading system messages, before what people said."""
    if not task.knowledge:
        return task.messages
    first = next((index for index, message in enumerate(task.messages) if message.role != "system"), 0)
    return (*task.messages[:first], Message("system", task.knowledge), *task.messages[first:])
