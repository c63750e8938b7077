"""StoryWrite: continuing, rewriting or improving a passage of a document."""

from dataclasses import dataclass

from qingyu_ai.generation import Message
from qingyu_ai.tokens import estimate_tokens

_MODES = {
    "continue": "Continue the author's text in its language and voice. Answer with the continuation only.",
    "rewrite": "Rewrite the author's text as asked, in its language. Answer with the new text only.",
    "suggest": "Suggest how the author's text can go on or become better, in its language, as a short list.",
}


@dataclass(frozen=True, slots=True)
class Story:
    """A prompt, and the estimated tokens of its parts."""

    messages: tuple[Message, ...]
    stage_tokens: int
    outline_tokens: int
    rag_tokens: int


def assemble(
    *, mode: str, instruction: str, selected_text: str, assembled_prompt: str, outline: str, knowledge: str
) -> Story:
    """The prompt of a story request.

    Args:
        mode: continue, rewrite or suggest; any other is told to the model as it is.
        instruction: What the author wants.
        selected_text: The passage.
        assembled_prompt: A prompt with its context already in it: then outline and knowledge are left out.
        outline: The project's outline as text.
        knowledge: Passages of the project, ready to be read by a model.
    """
    stage = "\n\n".join(part for part in (assembled_prompt, selected_text, instruction) if part.strip())
    if assembled_prompt:
        outline = knowledge = ""
    system = [_MODES.get(mode, f"The author's wish: {mode}."), outline, knowledge]
    return Story(
        (Message("system", "\n\n".join(part for part in system if part)), Message("user", stage)),
        estimate_tokens(stage),
        estimate_tokens(outline),
        estimate_tokens(knowledge),
    )
