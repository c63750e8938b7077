"""The AIService of the contract: each method reads its request, asks the domain and writes the answer."""

import json
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from protobuf import Message as Structure

from qingyu_ai.creative.author import Author, Brief
from qingyu_ai.creative.story import assemble
from qingyu_ai.creative.workflow import run_workflow
from qingyu_ai.embedding.embedder import Embedder
from qingyu_ai.errors import invalid
from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    AgentExecutionRequest,
    AgentExecutionResponse,
    CharactersData,
    CharactersRequest,
    CharactersResponse,
    ContextRequest,
    ContextResponse,
    CreativeWorkflowRequest,
    CreativeWorkflowResponse,
    Embedding,
    EmbedRequest,
    EmbedResponse,
    GenerateContentChunk,
    GenerateContentRequest,
    GenerateContentResponse,
    HealthCheckRequest,
    HealthCheckResponse,
    OutlineData,
    OutlineRequest,
    OutlineResponse,
    PlotRequest,
    PlotResponse,
    RAGQueryRequest,
    RAGQueryResponse,
    StoryContextRequest,
    StoryContextResponse,
)
from qingyu_ai.generation import Message, SignsOfLife, Task, Writer, check_end, complete
from qingyu_ai.health import Health
from qingyu_ai.knowledge.context import gather_context
from qingyu_ai.knowledge.knowledge import Facts, Knowledge
from qingyu_ai.knowledge.store import Scope
from qingyu_ai.rpc.answers import chunk, content_answer, result, story_answer
from qingyu_ai.rpc.guard import Context
from qingyu_ai.rpc.requests import (
    MAX_TOP_K,
    conversation,
    embedding_texts,
    is_gateway,
    reflections,
    required,
    scope_of,
    search_filters,
    task_of,
)
from qingyu_ai.rpc.sizes import check_prompt
from qingyu_ai.telemetry.call import current_call

_DEFAULT_REFLECTIONS = 3
_ASKED_MESSAGES = 3
# What an answer says of two parts of the knowledge is the later one of theirs.
_STATES = ("none", "used", "unavailable")


class Service(AIService):
    """See the comments in `proto/`. Methods raise `ServiceError`s; the guard turns them into the contract's codes.

    Args:
        model: Who writes text.
        author: Who writes structures.
        embedder: Who embeds.
        knowledge: What projects know.
        health: How the parts are.
        default_tenant: Whose knowledge a caller without `x-qingyu-tenant` asks.
    """

    def __init__(
        self,
        *,
        model: Writer,
        author: Author,
        embedder: Embedder,
        knowledge: Knowledge,
        health: Health,
        default_tenant: str,
    ) -> None:
        self._model = model
        self._author = author
        self._embedder = embedder
        self._knowledge = knowledge
        self._health = health
        self._default_tenant = default_tenant

    async def generate_content(self, request: GenerateContentRequest, ctx: Context) -> GenerateContentResponse:
        task, knowledge = await self._task(request, ctx)
        completion = await complete(self._model, task)
        return content_answer(completion, knowledge)

    async def stream_generate_content(
        self, request: GenerateContentRequest, ctx: Context
    ) -> AsyncGenerator[GenerateContentChunk]:
        has_text = False
        signs = SignsOfLife()
        task, knowledge = await self._task(request, ctx)
        async with aclosing(self._model.stream(task)) as pieces:
            async for piece in pieces:
                has_text = has_text or bool(piece.text.strip())
                if piece.finish_reason:
                    check_end(piece.finish_reason, has_text=has_text)
                elif not piece.text and not signs.is_due():
                    continue
                yield chunk(piece, knowledge)

    async def embed_text(self, request: EmbedRequest, ctx: Context) -> EmbedResponse:
        vectors = await self._embedder.embed(embedding_texts(request), request.model)
        return EmbedResponse(embeddings=[Embedding(vector=vector, dimension=len(vector)) for vector in vectors])

    async def query_knowledge(self, request: RAGQueryRequest, ctx: Context) -> RAGQueryResponse:
        scope = self._scope(ctx, required("project_id", request.project_id))
        if not 0 <= request.top_k <= MAX_TOP_K:
            raise invalid(f"top_k: must be from 0 to {MAX_TOP_K}")
        hits = await self._knowledge.search(
            scope, required("query", request.query), request.top_k, search_filters(request.filters)
        )
        return RAGQueryResponse(results=[result(hit) for hit in hits], total=len(hits))

    async def get_context(self, request: ContextRequest, ctx: Context) -> ContextResponse:
        scope = self._scope(ctx, required("project_id", request.project_id))
        context, tokens = await gather_context(self._knowledge.store, scope, request.chapter_id, request.task_type)
        return ContextResponse(task_type=request.task_type, context=context, token_count=tokens)

    async def execute_agent(self, request: AgentExecutionRequest, ctx: Context) -> AgentExecutionResponse:
        given = request.parameters
        asked = required("parameters.task", given.get("task") or given.get("prompt") or given.get("message") or "")
        match request.workflow_type:
            case "creative" | "a2a_pipeline":
                workflow = await run_workflow(
                    self._author,
                    await self._brief(ctx, request.project_id, asked, {}),
                    max_reflections=_DEFAULT_REFLECTIONS,
                    human_review=False,
                )
                result, tokens = workflow.to_json(), workflow.tokens_used
            case "outline_generation":
                outline = await self._author.outline(await self._brief(ctx, request.project_id, asked, {}))
                result, tokens = outline.data.to_json(), outline.tokens
            case "chat" | "writing":
                facts = await self._facts(ctx, request.project_id, asked)
                completion = await complete(self._model, Task(messages=(Message("user", asked),), knowledge=facts.text))
                result = json.dumps({"content": completion.content, "model": completion.model}, ensure_ascii=False)
                tokens = completion.total_tokens
            case _:
                raise invalid("workflow_type: is none of creative, a2a_pipeline, outline_generation, chat, writing")
        return AgentExecutionResponse(
            execution_id=str(uuid.uuid4()), status="completed", result=result, tokens_used=tokens
        )

    async def generate_outline(self, request: OutlineRequest, ctx: Context) -> OutlineResponse:
        started = time.perf_counter()
        brief = await self._brief_for(request, ctx)
        outline = await self._author.outline(brief)
        return OutlineResponse(outline=outline.data, execution_time=time.perf_counter() - started)

    async def generate_characters(self, request: CharactersRequest, ctx: Context) -> CharactersResponse:
        started = time.perf_counter()
        brief = await self._brief_for(request, ctx, outline=request.outline)
        characters = await self._author.characters(brief, request.outline or OutlineData())
        return CharactersResponse(characters=characters.data, execution_time=time.perf_counter() - started)

    async def generate_plot(self, request: PlotRequest, ctx: Context) -> PlotResponse:
        started = time.perf_counter()
        brief = await self._brief_for(request, ctx, outline=request.outline, characters=request.characters)
        plot = await self._author.plot(brief, request.outline or OutlineData(), request.characters or CharactersData())
        return PlotResponse(plot=plot.data, execution_time=time.perf_counter() - started)

    async def execute_creative_workflow(
        self, request: CreativeWorkflowRequest, ctx: Context
    ) -> CreativeWorkflowResponse:
        max_reflections = reflections(request.max_reflections)
        check_prompt(task=request.task, workspace_context=request.workspace_context)
        return await run_workflow(
            self._author,
            await self._brief(ctx, request.project_id, request.task, request.workspace_context),
            max_reflections=max_reflections,
            human_review=request.enable_human_review,
        )

    async def story_write(self, request: StoryContextRequest, ctx: Context) -> StoryContextResponse:
        given = {
            "assembled_prompt": request.assembled_prompt,
            "selected_text": request.selected_text,
            "instruction": request.instruction,
        }
        check_prompt(mode=request.mode, **given)
        required(", ".join(given), "".join(given.values()))
        options = task_of((), request.options)
        asked = f"{request.selected_text}\n{request.instruction}".strip()
        is_assembled = bool(request.assembled_prompt)
        facts = outline = Facts()
        if not is_assembled:
            facts = await self._facts(ctx, request.project_id, asked, request.document_id)
            outline = await self._outline(ctx, request.project_id, facts)
        story = assemble(
            mode=request.mode,
            instruction=request.instruction,
            selected_text=request.selected_text,
            assembled_prompt=request.assembled_prompt,
            outline=outline.text,
            knowledge=facts.text,
        )
        completion = await complete(self._model, replace(options, messages=story.messages))
        return story_answer(completion, story)

    async def health_check(self, request: HealthCheckRequest, ctx: Context) -> HealthCheckResponse:
        report = await self._health.report()
        return HealthCheckResponse(status=report.status, checks=report.checks)

    def _scope(self, ctx: Context, project_id: str) -> Scope:
        return scope_of(ctx, project_id, self._default_tenant)

    async def _task(self, request: GenerateContentRequest, ctx: Context) -> tuple[Task, str]:
        """What is to be written, and what the contract calls `knowledge`."""
        task = task_of(conversation(request), request.options, says_temperature=is_gateway(ctx))
        said = [message.content for message in task.messages if message.role == "user"]
        # What a short last message is about stands in those before it.
        asked = "\n".join(said[-_ASKED_MESSAGES:])
        facts = await self._facts(ctx, request.project_id, asked, request.chapter_id)
        return replace(task, knowledge=facts.text), facts.state

    async def _brief_for(
        self, request: OutlineRequest | CharactersRequest | PlotRequest, ctx: Context, **given: Structure[Any] | None
    ) -> Brief:
        """What is to be written, and checks that it fits a prompt with the structures that the caller gave."""
        correction = request.correction_prompt
        check_prompt(
            task=request.task, workspace_context=request.workspace_context, correction_prompt=correction, **given
        )
        return await self._brief(ctx, request.project_id, request.task, request.workspace_context, correction)

    async def _brief(
        self, ctx: Context, project_id: str, task: str, workspace: Mapping[str, str], correction: str = ""
    ) -> Brief:
        required("task", task)
        facts = await self._facts(ctx, project_id, task)
        return Brief(task=task, knowledge=facts.text, workspace=dict(workspace), correction=correction)

    async def _facts(self, ctx: Context, project_id: str, prompt: str, chapter_id: str = "") -> Facts:
        """What the project knows about a prompt; without one of the two nothing. The answer's metadata tells it too.

        Nothing of the chapter that is written is told, or of later ones.
        """
        if not project_id or not prompt.strip():
            return Facts()
        facts = await self._knowledge.facts(self._scope(ctx, project_id), prompt, chapter_id=chapter_id)
        _tell_knowledge(ctx, facts.state)
        return facts

    async def _outline(self, ctx: Context, project_id: str, facts: Facts) -> Facts:
        """The project's outline; the metadata tells of it and of what is told besides together."""
        if not project_id:
            return Facts()
        outline = await self._knowledge.outline(self._scope(ctx, project_id))
        _tell_knowledge(ctx, max(facts.state, outline.state, key=_STATES.index))
        return outline


def _tell_knowledge(ctx: Context, state: str) -> None:
    ctx.response_headers["x-qingyu-knowledge"] = current_call().knowledge = state
