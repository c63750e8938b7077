"""What a provider's failures mean; the same for both clients, for language models and embeddings."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.llm.events import bad_answer, too_large
from qingyu_ai.llm.problem import Problem, problem_of
from qingyu_ai.llm.provider_http import AnswerTooLargeError
from qingyu_ai.llm.retry_after import retry_after_s

_MESSAGES = {
    Reason.CONTEXT_LENGTH_EXCEEDED: "The prompt is longer than the model can read.",
    Reason.CONTENT_FILTER: "The language model's provider refused the prompt.",
    Reason.QUOTA_EXHAUSTED: "The account at the language model's provider is used up.",
    Reason.RATE_LIMITED: "The provider limits our rate.",
    Reason.MODEL_CREDENTIAL: "The provider does not accept our key.",
    Reason.MODEL_NOT_FOUND: "The provider does not have this model.",
    Reason.MODEL_TIMEOUT: "The provider did not answer in time.",
    Reason.MODEL_UNAVAILABLE: "The provider is in trouble.",
    Reason.INVALID_REQUEST: "The provider refused the request.",
}
# Without underscores and case, as `Problem.words` has them: OpenAI, Azure, Anthropic, Google, DashScope, Moonshot, GLM,
# llama.cpp, Mistral.
_WORDS = {
    Reason.CONTEXT_LENGTH_EXCEEDED: (
        "contextlengthexceeded stringabovemaxlength contextwindowexceeded exceedcontextsizeerror requesttoolarge "
        "prompttoolong 1261"
    ),
    Reason.CONTENT_FILTER: (
        "contentfilter contentpolicyviolation responsibleaipolicyviolation datainspectionfailed contentfiltererror "
        "contentmoderation moderationblocked 1301"
    ),
    Reason.QUOTA_EXHAUSTED: (
        "insufficientquota billingerror insufficientbalance arrearage exceededcurrentquotaerror "
        "billinghardlimitreached 1113"
    ),
    Reason.RATE_LIMITED: "ratelimitexceeded ratelimiterror ratelimitreachederror 1302",
    Reason.MODEL_CREDENTIAL: (
        "invalidapikey apikeyinvalid authenticationerror invalidauthenticationerror permissionerror"
    ),
    Reason.MODEL_NOT_FOUND: "modelnotfound deploymentnotfound invalidmodel modelnotexist 1211",
    Reason.MODEL_TIMEOUT: "timeouterror",
    Reason.MODEL_UNAVAILABLE: "overloadederror engineoverloadederror serveroverloaded",
}
_REASONS = {word: reason for reason, words in _WORDS.items() for word in words.split()}
# What many providers have only sentences for, with the statuses at which a sentence is believed.
_SENTENCES: tuple[tuple[Reason, frozenset[int], re.Pattern[str]], ...] = tuple(
    (reason, frozenset(statuses), re.compile(pattern, re.IGNORECASE))
    for reason, statuses, pattern in (
        (
            Reason.CONTEXT_LENGTH_EXCEEDED,
            {400, 413, 422, 500},
            r"context (length|window|limit|size)|prompt (is )?too long|(input|prompt|text) is too long|"
            r"maximum prompt length|input token count|exceeded model token limit|range of input length|"
            r"inputs` (tokens|must have less)|too many tokens|reduce the length|超长",
        ),
        (
            Reason.MODEL_CREDENTIAL,
            {400},
            r"api key (is )?(not valid|invalid|expired)|(incorrect|invalid|expired) api key",
        ),
        (
            Reason.QUOTA_EXHAUSTED,
            {400, 403},
            r"credit balance|insufficient (balance|credit|quota)|api usage limits|organization has been disabled|"
            r"余额不足|欠费",
        ),
        (
            Reason.CONTENT_FILTER,
            {400, 403, 422},
            r"content[ _-](management|filter|policy|moderation)|(was|been) flagged|requires moderation|"
            r"inappropriate content|敏感内容",
        ),
        (
            Reason.MODEL_NOT_FOUND,
            {400, 422},
            r"\bmodel\b.{0,200}\b(does not|doesn't|not) (exist|found)|not a valid model|(invalid|unknown) model\b|"
            r"模型不存在",
        ),
    )
)
_STATUSES = {
    401: Reason.MODEL_CREDENTIAL,
    402: Reason.QUOTA_EXHAUSTED,
    403: Reason.MODEL_CREDENTIAL,
    404: Reason.MODEL_NOT_FOUND,
    408: Reason.MODEL_TIMEOUT,
    413: Reason.CONTEXT_LENGTH_EXCEEDED,
    429: Reason.RATE_LIMITED,
    504: Reason.MODEL_TIMEOUT,
}
# OpenAI takes `json_object` only where the messages speak of JSON.
JSON_IN_WORDS = "json in words"
_WANTS_JSON_IN_WORDS = re.compile(r"contain the word .?json", re.IGNORECASE)
# Templates of models without a system role, or that take it for a turn of the conversation: Gemma, Mistral.
SYSTEM_ROLE = "system role"
_WANTS_NO_SYSTEM = re.compile(
    r"system (role|message|prompt)s?.{0,20} not supported|not support.{0,20} system|roles must alternate|"
    r"only user.{0,20} roles are supported",
    re.IGNORECASE,
)
_REFUSED = (400, 422)
_TOO_LARGE = re.compile(r"too large|at most|maximum|exceed|\brange\b|between|less than|<=", re.IGNORECASE)
# Names of parameters in providers' APIs, and what the caller calls them.
_OPTIONS = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "stop": "stop",
    "stop_sequences": "stop",
    "response_format": "response_format",
}


class RefusedError(ServiceError):
    """A request that a provider refused for one parameter of it.

    Args:
        parameter: Its name in the provider's API, one of those that were sent; or `JSON_IN_WORDS` or `SYSTEM_ROLE`.
        is_too_large: Whether the value is beyond what the model can, rather than unknown to it.
        reason: Why.
    """

    def __init__(self, parameter: str, *, is_too_large: bool = False, reason: Reason | None = None) -> None:
        option = _OPTIONS.get(parameter)
        if reason:
            super().__init__(reason, _MESSAGES[reason])
        elif option:
            super().__init__(Reason.UNSUPPORTED_PARAMETER, f"options.{option}: the model does not take it")
        else:
            super().__init__(Reason.MODEL_UNAVAILABLE, "The provider does not take what this service sends.")
        self.parameter = parameter
        self.is_too_large = is_too_large


def failure_of(problem: Problem, sent: Collection[str] = (), *, wait_s: float | None = None) -> ServiceError:
    """The failure that a provider's error stands for.

    Args:
        problem: What it said.
        sent: The names of the parameters that were sent; an objection to one of them is a `RefusedError`.
        wait_s: Seconds that it asked to wait.
    """
    reason = _reason_of(problem)
    parameter = _refused_parameter(problem, sent) if problem.status in _REFUSED else ""
    if parameter in ("max_tokens", "max_completion_tokens") and reason is Reason.CONTEXT_LENGTH_EXCEEDED:
        return RefusedError(parameter, is_too_large=True, reason=reason)
    if reason is Reason.INVALID_REQUEST and _WANTS_JSON_IN_WORDS.search(problem.message):
        return RefusedError(JSON_IN_WORDS)
    if reason is Reason.INVALID_REQUEST and _WANTS_NO_SYSTEM.search(problem.message):
        return RefusedError(SYSTEM_ROLE, reason=reason)
    if reason is Reason.INVALID_REQUEST and parameter == "model":
        reason = Reason.MODEL_NOT_FOUND
    elif reason is Reason.INVALID_REQUEST and parameter and parameter not in ("messages", "system", "input"):
        return RefusedError(parameter, is_too_large=bool(_TOO_LARGE.search(problem.message)))
    return ServiceError(reason, _MESSAGES[reason], retry_after_s=wait_s)


def _reason_of(problem: Problem) -> Reason:
    status = problem.status
    known = next((reason for word, reason in _REASONS.items() if word in problem.words), None)
    if known:
        return known
    for reason, statuses, sentence in _SENTENCES:
        if status in statuses and sentence.search(problem.message):
            return reason
    if status in _REFUSED:
        return Reason.INVALID_REQUEST
    return _STATUSES.get(status, Reason.MODEL_UNAVAILABLE)


def _refused_parameter(problem: Problem, sent: Collection[str]) -> str:
    """The parameter that an error is about: named in its own field, else the first that its sentences name."""
    if problem.parameter in sent:
        return problem.parameter
    named = re.finditer(r"[a-z_]+", problem.message)
    return next((word[0] for word in named if word[0] in sent and ("_" in word[0] or word[0] in _OPTIONS)), "")


@contextmanager
def provider_failures(client: Any, base: type[Exception], sent: Collection[str] = ()) -> Iterator[None]:  # noqa: ANN401 (a module)
    """Turns what a client throws into `ServiceError`s without any text of the provider.

    Args:
        client: The module openai or anthropic: one generator made both, so their errors have the same names.
        base: The class of all its errors.
        sent: The names of the parameters that were sent.
    """
    try:
        yield
    except (client.APITimeoutError, httpx2.TimeoutException):
        raise ServiceError(Reason.MODEL_TIMEOUT, _MESSAGES[Reason.MODEL_TIMEOUT]) from None
    except (client.APIConnectionError, httpx2.HTTPError) as error:
        raise _connection_failure(error) from None
    except client.APIStatusError as error:
        problem = problem_of(error.status_code, error.response.content)
        raise failure_of(problem, sent, wait_s=retry_after_s(error.response.headers)) from None
    except (base, ValueError, TypeError, AttributeError, RecursionError):
        # Also bytes that are no JSON, and JSON of another shape.
        raise bad_answer() from None


def _connection_failure(error: Exception) -> ServiceError:
    # The package wraps what happens while it reads a whole answer, and not what happens later.
    for cause in (error, error.__cause__):
        if isinstance(cause, AnswerTooLargeError):
            return too_large()
        if isinstance(cause, httpx2.DecodingError):
            return bad_answer()
    return ServiceError(Reason.MODEL_UNAVAILABLE, "The provider cannot be reached.")
