"""Documents put, listed and removed: by the commands, beside a service and over its HTTP port."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from connectrpc.errors import ConnectError

from qingyu_ai.errors import Reason
from qingyu_ai.gen.qingyu.ai.ai_service_pb import ContextRequest, RAGQueryRequest
from qingyu_ai.http_calls import STATUS
from qingyu_ai.indexing.decoding import InputError
from qingyu_ai.indexing.remote import RemoteCatalogue
from qingyu_ai.indexing.wire import MAX_BODY_BYTES, MAX_DOCUMENTS, PATH
from qingyu_ai.knowledge_api import CALLS_AT_ONCE
from tests.providers import Handler, provider
from tests.running import Place, Running, running

pytestmark = pytest.mark.anyio
TOKEN = "token-1"
LIN = {"id": "lin", "doc_type": "character", "title": "林青羽", "text": "少年剑客。", "traits": ["坚韧"]}
RAIN = {"id": "c1", "title": "雨夜", "text": "雨夜里老剑客教林青羽剑法。", "order": 3}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Running]:
    """A service as in production, with a token of its own."""
    with running(ENVIRONMENT="staging", PYTHON_AI_TOKEN=TOKEN, **EMBEDDED) as service:
        yield service


# What only development has by itself.
EMBEDDED = {"DEFAULT_LLM_PROVIDER": "embedded", "EMBEDDING_PROVIDER": "embedded"}


def call(
    service: Running,
    method: str,
    path: str,
    body: object = None,
    *,
    token: str | None = TOKEN,
    tenant: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    sent: dict[str, str | bytes] = dict(headers or {})
    if token is not None:
        sent["authorization"] = f"Bearer {token}".encode()
    if tenant is not None:
        sent["x-qingyu-tenant"] = tenant
    connection = http.client.HTTPConnection("127.0.0.1", int(service.settings["SERVICE_PORT"]), timeout=30)
    try:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, PATH + path, content, sent)
        response = connection.getresponse()
        assert response.headers["content-type"] == "application/json"
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def put(
    service: Running,
    project: str,
    *documents: dict[str, Any],
    tenant: str = "a",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    body = {"project": project, "documents": documents}
    return call(service, "POST", "/documents", body, tenant=tenant, headers=headers)


def ids(service: Running, project: str, query: str = "", tenant: str = "a") -> list[str]:
    status, answer = call(service, "GET", f"/documents?project={project}{query}", tenant=tenant)
    assert status == 200
    return [document["id"] for document in answer["documents"]]


async def test_what_is_put_is_listed_found_and_removed(guarded: Running) -> None:
    assert put(guarded, "p", LIN, RAIN) == (200, {"indexed": 2, "passages": 2})
    status, listed = call(guarded, "GET", "/documents?project=p", tenant="a")
    digests = [document.pop("digest") for document in listed["documents"]]
    assert (status, listed) == (
        200,
        {
            "documents": [
                {"doc_type": "chapter", "id": "c1", "title": "雨夜", "order": 3, "passages": 1},
                {"doc_type": "character", "id": "lin", "title": "林青羽", "order": 0, "passages": 1},
            ]
        },
    )
    assert len(set(digests)) == 2
    assert ids(guarded, "p", "&doc_type=character") == ["lin"]
    headers = {"authorization": f"Bearer {TOKEN}", "x-qingyu-tenant": "a"}
    async with guarded.client() as client:
        asked = RAGQueryRequest(project_id="p", query="谁教林青羽剑法")
        found = await client.query_knowledge(asked, headers=headers)
        assert found.results[0].content == RAIN["text"]
        context = (await client.get_context(ContextRequest(project_id="p"), headers=headers)).context
        assert context
        assert [person.traits for person in context.active_characters] == [["坚韧"]]
        with pytest.raises(ConnectError, match="unauthenticated"):
            await client.query_knowledge(asked)
    remove = {"project": "p", "documents": [{"doc_type": "chapter", "id": "c1"}, {"doc_type": "chapter", "id": "x"}]}
    assert call(guarded, "POST", "/documents/remove", remove, tenant="a") == (200, {"removed": 1})
    assert ids(guarded, "p") == ["lin"]


def test_another_tenant_has_documents_of_its_own(guarded: Running) -> None:
    put(guarded, "shared", RAIN)
    assert put(guarded, "shared", {**RAIN, "text": "别人的。"}, LIN, tenant="b")[0] == 200
    assert ids(guarded, "shared") == ["c1"]
    assert ids(guarded, "shared", tenant="b") == ["c1", "lin"]
    removed = call(guarded, "POST", "/documents/remove", {"tenant": "b", "project": "shared", "keep": []})
    assert removed == (200, {"removed": 2})
    assert ids(guarded, "shared") == ["c1"]


def test_all_but_some_are_removed(guarded: Running) -> None:
    put(guarded, "pruned", LIN, RAIN, {**RAIN, "id": "c2"})
    keep = {"project": "pruned", "keep": [{"doc_type": "chapter", "id": "c2"}, {"doc_type": "x", "id": "lin"}]}
    assert call(guarded, "POST", "/documents/remove", keep, tenant="a") == (200, {"removed": 2})
    assert ids(guarded, "pruned") == ["c2"]
    assert call(guarded, "POST", "/documents/remove", keep, tenant="a") == (200, {"removed": 0})


@pytest.mark.parametrize("token", [None, "", "令牌", TOKEN + "x", TOKEN[:-1]])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/documents"), ("GET", "/documents?project=p"), ("POST", "/documents/remove"), ("GET", "/x")],
)
def test_without_the_token_nothing_is_told(method: str, path: str, token: str | None, guarded: Running) -> None:
    told = {"error": {"code": "unauthenticated", "message": "The bearer token is wrong."}}
    assert call(guarded, method, path, {"project": "p", "keep": []}, token=token, tenant="a") == (401, told)


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/documents", b"{", "body: is not JSON (EOF while parsing an object at line 1 column 1)."),
        ("/documents", b"", "body: is not JSON (EOF while parsing a value at line 1 column 0)."),
        ("/documents", b"[" * 100_000, "body: is not JSON (recursion limit exceeded at line 1 column "),
        ("/documents", b'{"project":"\xff"}', "body: is not JSON ("),
        ("/documents", [], "body: Input should be "),
        ("/documents", {"documents": [RAIN]}, "project: Field required."),
        ("/documents", {"project": "", "documents": [RAIN]}, "project: "),
        ("/documents", {"project": "p"}, "documents: Field required."),
        ("/documents", {"project": "p", "documents": []}, "documents: List should have at least 1 item"),
        (
            "/documents",
            {"project": "p", "documents": [RAIN] * (MAX_DOCUMENTS + 1)},
            "documents: List should have at most",
        ),
        ("/documents", {"project": "p", "documents": [RAIN, {"id": "x"}]}, "documents[1].text: Field required."),
        ("/documents", {"project": "p", "documents": [{**RAIN, "secret": "雪"}]}, "documents[0].secret: Extra inputs"),
        ("/documents", {"project": "p", "documents": [RAIN], "x": 1}, "x: Extra inputs are not permitted."),
        ("/documents", {"tenant": "b", "project": "p", "documents": [RAIN]}, "tenant: is another one than in x-qingyu"),
        ("/documents", {"tenant": "a b", "project": "p", "documents": [RAIN]}, "tenant: String should match pattern"),
        ("/documents/remove", {"project": "p"}, "body: give either documents or keep."),
        ("/documents/remove", {"project": "p", "documents": [], "keep": []}, "body: give either documents or keep."),
        ("/documents/remove", {"project": "p", "documents": [{"id": "x"}]}, "documents[0].doc_type: Field required."),
    ],
)
def test_wrong_requests_are_refused_by_the_fields_name(path: str, body: object, says: str, guarded: Running) -> None:
    status, answer = call(guarded, "POST", path, body, tenant="a")
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert answer["error"]["message"].startswith(says)
    assert "雪" not in answer["error"]["message"]


@pytest.mark.parametrize(
    ("query", "tenant", "says"),
    [
        ("", "a", "project: Field required."),
        ("?project=", "a", "project: "),
        ("?project=p", None, "tenant: is needed, in the request or in x-qingyu-tenant."),
        ("?project=p", "a b", "x-qingyu-tenant: must be at most 64 letters"),
        ("?project=p&tenant=b", "a", "tenant: is another one than in x-qingyu-tenant."),
    ],
)
def test_wrong_lists_are_refused(query: str, tenant: str | None, says: str, guarded: Running) -> None:
    status, answer = call(guarded, "GET", f"/documents{query}", tenant=tenant)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert answer["error"]["message"].startswith(says)


def test_what_is_not_there_is_answered_as_json(guarded: Running) -> None:
    assert call(guarded, "GET", "/x")[0] == 404
    assert call(guarded, "DELETE", "/documents") == (
        405,
        {"error": {"code": "invalid_request", "message": "Method Not Allowed."}},
    )


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_is_read_as_far_as_it_may_go(is_chunked: bool, guarded: Running) -> None:
    head = [
        f"POST {PATH}/documents HTTP/1.1",
        "host: x",
        "x-qingyu-tenant: a",
        "transfer-encoding: chunked" if is_chunked else f"content-length: {MAX_BODY_BYTES + 1}",
    ]
    with socket.create_connection(("127.0.0.1", int(guarded.settings["SERVICE_PORT"])), timeout=30) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n")
        if is_chunked:
            piece = b" " * (1024 * 1024)
            for _ in range(MAX_BODY_BYTES // len(piece)):
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.sendall(b"1\r\n \r\n")
        # Not a byte more is needed for the answer.
        answer = b""
        while not answer.endswith(b"}}"):
            part = connection.recv(65536)
            assert part
            answer += part
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"invalid_request","message":"body: has more than 16777216 bytes; ' in answer


def test_only_so_many_bodies_are_held_at_once() -> None:
    head = f"POST {PATH}/documents HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{{".encode()
    with running() as service, ExitStack() as held:
        for _ in range(CALLS_AT_ONCE):
            address = ("127.0.0.1", int(service.settings["SERVICE_PORT"]))
            held.enter_context(socket.create_connection(address)).sendall(head)

        def clear() -> tuple[int, dict[str, Any]]:
            return call(service, "POST", "/documents/remove", {"project": "p", "keep": []}, token=None)

        # Until the service has seen the last of them.
        while (answer := clear())[0] == 200:
            pass
        message = f"{CALLS_AT_ONCE} other calls are changing knowledge; ask again."
        assert answer == (429, {"error": {"code": "rate_limited", "message": message}})
        assert call(service, "GET", "/documents?project=p", token=None)[0] == 200
        held.close()
        while clear()[0] == 429:
            pass
    assert '"level": "error"' not in service.log


def test_each_call_is_logged_and_nothing_of_what_it_holds(guarded: Running) -> None:
    sent = {"x-request-id": "admin-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    put(guarded, "p", {**LIN, "text": "绝密正文"}, headers=sent)
    guarded.wait_for("admin-1")
    line = json.loads(next(line for line in guarded.lines if "admin-1" in line))
    assert line.pop("time")
    assert line.pop("durationMs") >= 0
    assert line == {
        "level": "info",
        "message": "administration",
        "method": "POST",
        "path": f"{PATH}/documents",
        "status": 200,
        "requestId": "admin-1",
        "traceId": "a" * 32,
        "tenant": "a",
    }
    assert "绝密正文" not in guarded.log
    assert TOKEN not in guarded.log


def test_in_development_without_a_token_the_door_is_open(service: Running) -> None:
    answer = call(service, "POST", "/documents", {"project": "open", "documents": [RAIN]}, token=None)
    assert answer == (200, {"indexed": 1, "passages": 1})
    assert service.run("documents", "--project", "open").stdout.splitlines() == [
        "chapter  c1  3  1 passages  雨夜",
        "1 documents, 1 passages.",
    ]


def test_every_reason_has_a_status() -> None:
    assert set(STATUS) == set(Reason)


def write(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return [name.replace("_", ".") for name in files]


@pytest.fixture(params=["beside", "over HTTP"])
def commanded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Place, list[str]]]:
    """Where a command runs, and what it is told of where the knowledge is."""
    if request.param == "beside":
        yield Place({}, tmp_path), []
        return
    started: Running = request.getfixturevalue("guarded")
    elsewhere = Place({"MILVUS_URI": "", "ENVIRONMENT": "production", "PYTHON_AI_TOKEN": TOKEN}, tmp_path)
    yield elsewhere, ["--url", started.http_url, "--tenant", tmp_path.name[-60:]]


def test_files_are_brought_up_to_date(commanded: tuple[Place, list[str]]) -> None:
    place, where = commanded

    def run(command: str, *arguments: str) -> list[str]:
        done = place.run(command, "--project", "p", *where, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    files = write(place.folder, 一_md="# 甲\n雨", 二_md="# 乙\n夜", 人_json=json.dumps(LIN))
    assert run("index", *files)[-1] == "Indexed 3 documents, 3 passages, for project p."
    assert run("index", *files) == ["Indexed 0 documents, 0 passages, for project p.", "3 documents had not changed."]
    write(place.folder, 二_md="# 乙\n夜深")
    again = run("index", files[1])
    assert again[0].startswith("1/1  chapter 二")
    assert again[1:] == [
        "Indexed 1 documents, 1 passages, for project p.",
        "1 of them replaced what had their ids.",
        "2 other documents of the project stay; --prune removes them.",
    ]
    assert run("documents")[:2] == ["chapter  一  1  1 passages  甲", "chapter  二  2  1 passages  乙"]
    assert run("index", "--prune", files[1], files[2])[1:] == [
        "2 documents had not changed.",
        "Removed 1 other documents.",
    ]
    listed = [json.loads(line) for line in run("documents", "--json", "--doc-type", "character")]
    assert [(document["id"], document["passages"]) for document in listed] == [("lin", 1)]
    assert run("remove", "一", "二") == ["Removed 1 documents.", "1 were not there."]
    assert run("remove", "--doc-type", "character", "lin") == ["Removed 1 documents."]
    assert run("documents") == ["0 documents, 0 passages."]
    run("index", *files)
    assert run("remove", "--all") == ["Removed 3 documents."]
    assert run("remove", "--all") == ["Removed 0 documents."]


def test_what_takes_the_place_of_another_text_is_told(place: Place) -> None:
    """Two folders, each indexed by itself, have the same ids."""
    for folder, names in (("one", "甲乙丙丁戊己"), ("two", "子丑寅卯辰巳")):
        (place.folder / folder).mkdir()
        for number, name in enumerate(names, 1):
            (place.folder / folder / f"{number}.md").write_text(f"# {name}\n雨", encoding="utf-8")

    def index(*more: str) -> list[str]:
        done = place.run("index", "--project", "p", *more)
        assert (done.returncode, done.stderr) == (0, "")
        return [line for line in done.stdout.splitlines() if "/6  " not in line]

    indexed = "Indexed 6 documents, 6 passages, for project p."
    assert index("one") == [indexed]
    assert index("two") == [
        indexed,
        "6 of them replaced what had their ids.",
        "Warning: chapter 1 was 甲 and is now 子.",
        "Warning: chapter 2 was 乙 and is now 丑.",
        "Warning: chapter 3 was 丙 and is now 寅.",
        "Warning: chapter 4 was 丁 and is now 卯.",
        "Warning: chapter 5 was 戊 and is now 辰.",
        "Warning: 6 had another title; to keep both, --root names a folder above both.",
    ]
    assert index("--root", ".", "one") == [indexed, "6 other documents of the project stay; --prune removes them."]


def test_a_knowledge_base_in_another_folder_is_told(tmp_path: Path) -> None:
    """Where the settings name no place, it is below the folder that a command runs in."""
    place = Place({"MILVUS_URI": ""}, tmp_path)
    write(tmp_path, a_md="雨")
    done = place.run("index", "--project", "p", "a.md")
    says = f"{tmp_path}/data/knowledge is new: a service that runs in another folder has a knowledge base of its own.\n"
    assert (done.returncode, done.stderr) == (0, says)
    assert place.run("documents", "--project", "p", "--json").stderr == ""


def test_a_deployed_service_is_filled_in_batches_and_its_pauses_are_waited_for(tmp_path: Path) -> None:
    def busy(handler: Handler) -> None:
        handler.send(503, "application/json", b'{"error":{"code":"knowledge_unavailable","message":"SECRET"}}')

    def listed(handler: Handler) -> None:
        handler.send(200, "application/json", b'{"documents":[]}')

    def stored(handler: Handler) -> None:
        handler.send(200, "application/json", b'{"indexed":1,"passages":1}')

    place = Place({"MILVUS_URI": "", "PYTHON_AI_TOKEN": "t"}, tmp_path)
    small = [{"id": f"c{number}", "text": "雨"} for number in range(150)]
    large = [{"id": f"d{number}", "text": "雨" * 100_000} for number in range(2)]
    write(tmp_path, novel_jsonl="\n".join(json.dumps(document) for document in [*small, *large]))
    with provider(busy, listed, stored, busy, stored) as remote:
        done = place.run("index", "--project", "p", "--url", f"{remote.url}/base/", "novel.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "100/152  chapter c99",
        "151/152  chapter d0",
        "152/152  chapter d1",
        "Indexed 152 documents, 3 passages, for project p.",
    ]
    assert [len(body.get("documents", [])) for body in remote.bodies] == [0, 0, 100, 51, 51, 1]
    assert remote.bodies[2]["documents"][0] == {"id": "c0", "text": "雨"}
    assert {headers["authorization"] for headers in remote.headers} == {"Bearer t"}


@pytest.mark.parametrize("url", ["http://service.test:1", "http://10.0.0.1", "http://127.0.0.1.test", "http://[::2]"])
def test_the_token_is_not_sent_in_clear_to_another_machine_unless_that_is_said(url: str) -> None:
    with pytest.raises(InputError, match="--url: http would tell the token to everybody"):
        RemoteCatalogue(url, "t", None, "p")
    RemoteCatalogue(url, "t", None, "p", is_insecure=True)
    RemoteCatalogue(url, None, None, "p")
    RemoteCatalogue(url.replace("http", "https"), "t", None, "p")


def test_a_command_sends_the_token_in_clear_only_where_it_is_told_to(tmp_path: Path) -> None:
    def listed(handler: Handler) -> None:
        handler.send(200, "application/json", b'{"documents":[]}')

    place = Place({"PYTHON_AI_TOKEN": "t"}, tmp_path)
    with provider(listed) as remote:
        asked = ["documents", "--project", "p", "--url", remote.url.replace("127.0.0.1", "0.0.0.0")]  # noqa: S104
        refused = place.run(*asked)
        says = "--url: http would tell the token to everybody on the way; use https, or give --insecure\n"
        assert (refused.returncode, refused.stdout, refused.stderr, remote.headers) == (2, "", says, [])
        done = place.run(*asked, "--insecure")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 documents, 0 passages.\n", "")
    assert [headers["authorization"] for headers in remote.headers] == ["Bearer t"]


@pytest.mark.parametrize("token", ["t\n", "令 牌"])
def test_a_command_reads_the_token_as_the_service_does(token: str, tmp_path: Path) -> None:
    def listed(handler: Handler) -> None:
        handler.send(200, "application/json", b'{"documents":[]}')

    with provider(listed) as remote:
        done = Place({"PYTHON_AI_TOKEN": token}, tmp_path).run("documents", "--project", "p", "--url", remote.url)
    sent = [headers["authorization"] for headers in remote.headers]
    if token.isascii():
        assert (done.returncode, done.stderr, sent) == (0, "", ["Bearer t"])
    else:
        assert (done.returncode, done.stderr, sent) == (2, "PYTHON_AI_TOKEN: must be visible ASCII characters\n", [])


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.2:1", "[::1]:1"])
def test_the_token_is_sent_to_this_machine(host: str) -> None:
    RemoteCatalogue(f"http://{host}", "t", None, "p")


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        (401, b'{"error":{"code":"unauthenticated","message":"No."}}', 1, "No."),
        (302, b"", 1, "What answers at --url is no service with this administration (HTTP status 302)."),
        (200, b"<html>", 1, "What answers at --url is no service with this administration (HTTP status 200)."),
        (
            404,
            b'{"detail":"Not Found"}',
            1,
            "What answers at --url is no service with this administration (HTTP status 404).",
        ),
    ],
)
def test_what_else_answers_is_told(status: int, body: bytes, code: int, says: str, place: Place) -> None:
    def answer(handler: Handler) -> None:
        handler.send(status, "application/json", body, location="http://127.0.0.1:1/")

    with provider(answer) as remote:
        done = place.run("documents", "--project", "p", "--url", remote.url)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"{says}\n")
    assert len(remote.bodies) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["documents", "--project", "p", "--url", "service:8000"], "--url: must be like https://service:8000"),
        (["documents", "--project", "p", "--url", "http://a@b"], "--url: must be like https://service:8000"),
        (["documents", "--project", "p", "--url", "http://[x"], "--url: must be like https://service:8000"),
        (["remove", "--project", "p"], "remove: name documents or give --all"),
        (["remove", "--project", "p", "--all", "x"], "remove: name documents or give --all"),
        (["documents"], "the following arguments are required: --project"),
        (["documents", "--project", "p", "--tenant", "a b"], "argument --tenant: must be at most 64 letters"),
        (
            ["index", "--project", "p", "--encoding", "x", "y"],
            "argument --encoding: x is no encoding that Python knows",
        ),
    ],
)
def test_wrong_commands_are_told(arguments: list[str], says: str, place: Place) -> None:
    done = place.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [[], ["index"], ["documents"], ["remove"]])
def test_help_names_what_there_is(command: list[str], place: Place) -> None:
    done = place.run(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    names = ["--project", "--tenant", "--url"] if command else ["index", "documents", "remove"]
    assert all(name in done.stdout for name in names)
