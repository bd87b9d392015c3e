"""OpenAI's Python client against minke serve: client.py REAL SCRIPT FULL, the addresses of client_test.sh."""
import asyncio
import json
import sys
import time
import urllib.request

import openai
import pydantic
from openai import OpenAI

real_at, script_at, full_at = sys.argv[1:]
real = OpenAI(base_url=real_at, api_key="none", max_retries=0)
script = OpenAI(base_url=script_at, api_key="sesame", max_retries=0)
full = OpenAI(base_url=full_at, api_key="none", max_retries=0)


def user(text):
    return [{"role": "user", "content": text}]


def metrics(address, key=""):
    request = urllib.request.Request(address.removesuffix("/v1") + "/metrics", headers={"Authorization": "Bearer " + key})
    lines = urllib.request.urlopen(request, timeout=60).read().decode().splitlines()
    return {k: float(v) for k, _, v in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def soon(what):
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def raises(kind, f, status=None, param=None, code=None):
    try:
        f()
    except kind as e:
        assert type(e) is kind, e
        assert status is None or e.status_code == status, e
        assert param is None or e.param == param, (e.param, e)
        assert code is None or e.code == code, (e.code, e)
        return e
    raise AssertionError(f"{kind.__name__} is missing")


def test_models():
    assert [m.id for m in real.models.list()] == ["whale"]
    assert real.models.list().data[0].object == "model"
    assert real.models.retrieve("whale").id == "whale"
    raises(openai.NotFoundError, lambda: real.models.retrieve("gpt-9"), 404)


def test_streams_say_the_same():
    asked = dict(model="whale", messages=user("How is the sea?"), seed=3, max_tokens=40, temperature=1)
    whole = real.chat.completions.create(**asked)
    assert whole.object == "chat.completion" and whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    text, last = "", None
    for chunk in real.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        text += "".join(c.delta.content or "" for c in chunk.choices)
        last = chunk
    assert text == whole.choices[0].message.content, (text, whole)
    assert last.choices == [] and last.usage.completion_tokens == whole.usage.completion_tokens
    with real.chat.completions.stream(**asked) as stream:
        for event in stream:
            assert event.type != "error", event
        assert stream.current_completion_snapshot.choices[0].message.content == text


def test_async_streams_beside_each_other():
    async def one(client, seed):
        stream = await client.chat.completions.create(model="whale", messages=user("How is the sea?"), seed=seed, max_tokens=30, temperature=1, stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in stream])

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=real_at, api_key="none", max_retries=0) as client:
            return await asyncio.gather(*[one(client, i % 3) for i in range(12)])

    texts = asyncio.run(all_of_them())
    assert all(t == texts[i % 3] for i, t in enumerate(texts)) and len(set(texts)) == 3, texts


def test_several_answers_stops_logprobs():
    asked = dict(model="whale", messages=user("How is the sea?"), seed=3, max_tokens=12, temperature=1)
    a = real.chat.completions.create(**asked, n=3, logprobs=True, top_logprobs=4)
    assert [c.index for c in a.choices] == [0, 1, 2] and len({c.message.content for c in a.choices}) > 1
    for c in a.choices:
        assert 0 < len(c.logprobs.content) <= 12
        for t in c.logprobs.content:
            assert t.logprob <= 0 and len(t.top_logprobs) == 4
            assert bytes(t.bytes).decode(errors="replace") == t.token
            assert t.top_logprobs[0].logprob >= t.top_logprobs[3].logprob
    whole = a.choices[0].message.content
    stop = whole[4:6]
    cut = real.chat.completions.create(**asked, stop=[stop, "\0"])
    assert cut.choices[0].message.content == whole[: whole.index(stop)] and cut.choices[0].finish_reason == "stop", (whole, cut)
    ids = real.completions.create(model="whale", prompt=["The whale", "The sea"], max_tokens=5, temperature=0, echo=True)
    assert len(ids.choices) == 2 and ids.choices[0].text.startswith("The whale")
    logprobs = real.completions.create(model="whale", prompt=["The whale", "The sea"], max_tokens=5, temperature=0, logprobs=2)
    assert len(logprobs.choices[1].logprobs.token_logprobs) == 5
    text = "".join(c.choices[0].text for c in real.completions.create(model="whale", prompt="The whale", max_tokens=5, temperature=0, stream=True))
    assert "The whale" + text == ids.choices[0].text


class Place(pydantic.BaseModel):
    name: str
    kind: str | None
    depth: int
    wet: bool
    tags: list[str]


def test_json_schema():
    bounded = {"type": "object", "additionalProperties": False, "required": ["name", "n", "kind"], "properties": {
        "name": {"type": "string", "maxLength": 8}, "n": {"type": "integer", "minimum": 1, "maximum": 99}, "kind": {"enum": ["sea", "land", 7, None]}}}
    form = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": bounded}}
    asked = dict(model="whale", messages=user("Say"), extra_body={"reasoning_budget": 0})  # a model that knows nothing may think all the time
    for seed in range(5):
        a = real.chat.completions.create(**asked, seed=seed, temperature=1, max_tokens=90, response_format=form)
        value = json.loads(a.choices[0].message.content)
        assert a.choices[0].finish_reason == "stop" and list(value) == ["name", "n", "kind"], a
        assert len(value["name"]) <= 8 and 1 <= value["n"] <= 99 and value["kind"] in ("sea", "land", 7, None), value
    any_json = real.chat.completions.create(**asked, seed=1, temperature=0.1, max_tokens=90, response_format={"type": "json_object"},
                                            logit_bias={str(i): 20 for i in tokens_of("}\"")})
    assert any_json.choices[0].finish_reason == "length" or isinstance(json.loads(any_json.choices[0].message.content), dict)
    # A class, whose schema the client writes. The model is led to what ends texts, numbers and lists.
    bias = {str(i): 30 for i in tokens_of("\",]}0")}
    parsed = real.chat.completions.parse(**asked, seed=1, temperature=0.1, max_tokens=100, response_format=Place, logit_bias=bias)
    place = parsed.choices[0].message.parsed
    assert isinstance(place, Place), parsed


def tokens_of(text):
    request = urllib.request.Request(real_at.removesuffix("/v1") + "/tokenize", json.dumps({"content": text}).encode())
    return json.load(urllib.request.urlopen(request, timeout=60))["tokens"]


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "the time"}}


def check_calls(message, finish):
    assert finish == "tool_calls" and message.content == "I look.\n", message
    assert [c.function.name for c in message.tool_calls] == ["weather", "weather"] and all(c.type == "function" for c in message.tool_calls)
    assert [json.loads(c.function.arguments) for c in message.tool_calls] == [{"city": "Dakar", "days": 2}, {"city": "São Paulo \"}\" 鲸"}]
    assert len({c.id for c in message.tool_calls}) == 2


def test_tools():
    asked = dict(model="scripted", messages=user("two cities"), tools=[WEATHER, CLOCK])
    whole = script.chat.completions.create(**asked).choices[0]
    check_calls(whole.message, whole.finish_reason)
    assert whole.message.reasoning_content == "\nTwo calls, then."
    calls, thought, text, finish = {}, "", "", None
    for chunk in script.chat.completions.create(**asked, stream=True):
        d = chunk.choices[0].delta
        thought, text = thought + (getattr(d, "reasoning_content", None) or ""), text + (d.content or "")
        for c in d.tool_calls or []:
            call = calls.setdefault(c.index, {"id": c.id, "name": c.function.name, "arguments": ""})
            call["arguments"] += c.function.arguments
        finish = chunk.choices[0].finish_reason or finish
    assert thought == "\nTwo calls, then." and text == "I look.\n" and finish == "tool_calls"
    assert [(c["name"], c["arguments"]) for c in calls.values()] == [(c.function.name, c.function.arguments) for c in whole.message.tool_calls]
    # The client's own way of putting a stream together.
    with script.chat.completions.stream(**asked) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion().choices[0]
    check_calls(final.message, final.finish_reason)
    assert "tool_calls.function.arguments.done" in kinds and "content.delta" in kinds, kinds
    # The next turn, with what the tools said.
    turns = user("two cities") + [whole.message.model_dump(exclude_none=True)]
    turns += [{"role": "tool", "tool_call_id": c.id, "content": "21 degrees"} for c in whole.message.tool_calls]
    said = script.chat.completions.create(model="scripted", messages=turns, tools=[WEATHER, CLOCK]).choices[0]
    assert said.message.content == "It is 21 degrees in Dakar." and said.finish_reason == "stop" and not said.message.tool_calls
    # One must be called.
    for choice in ("required", {"type": "function", "function": {"name": "clock"}}):
        must = script.chat.completions.create(model="scripted", messages=user("must call"), tools=[WEATHER, CLOCK], tool_choice=choice).choices[0]
        assert must.finish_reason == "tool_calls" and must.message.content is None
        assert must.message.tool_calls[0].function.name == "clock" and json.loads(must.message.tool_calls[0].function.arguments) == {}
    none = script.chat.completions.create(model="scripted", messages=user("must call"), tools=[WEATHER, CLOCK], tool_choice="none").choices[0]
    assert none.finish_reason == "stop" and not none.message.tool_calls and "<tool_call>" in none.message.content
    raises(openai.BadRequestError, lambda: script.chat.completions.create(**asked, tool_choice={"type": "function", "function": {"name": "g"}}),
           400, "tool_choice")


def test_reasoning():
    asked = dict(model="scripted", messages=user("think"))
    whole = script.chat.completions.create(**asked)
    m = whole.choices[0].message
    assert m.reasoning_content == "\nA short thought, with a 鲸." and m.content == "And 3 words.", m
    assert 0 < whole.usage.completion_tokens_details.reasoning_tokens < whole.usage.completion_tokens
    thought = text = ""
    for chunk in script.chat.completions.create(**asked, stream=True):
        d = chunk.choices[0].delta
        more = getattr(d, "reasoning_content", None) or ""
        assert not (more and text), "a thought behind the answer"
        thought, text = thought + more, text + (d.content or "")
    assert (thought, text) == (m.reasoning_content, m.content)


def test_mistakes():
    ask = real.chat.completions.create
    raises(openai.BadRequestError, lambda: ask(model="whale", messages=[]), 400, "messages")
    raises(openai.BadRequestError, lambda: ask(model="whale", messages=user("x"), temperature=-1), 400, "temperature")
    raises(openai.BadRequestError, lambda: ask(model="whale", messages=user("x " * 1000)), 400, "messages", "context_length_exceeded")
    raises(openai.NotFoundError, lambda: ask(model="gpt-9", messages=user("x")), 404, "model", "model_not_found")
    raises(openai.NotFoundError, lambda: real.embeddings.create(model="whale", input="x"), 404)
    wrong = OpenAI(base_url=script_at, api_key="open", max_retries=0)
    raises(openai.AuthenticationError, lambda: wrong.models.list(), 401, code="invalid_api_key")
    # A stream that breaks says so.
    raises(openai.APIError, lambda: list(script.chat.completions.create(model="scripted", messages=user("break"), stream=True)))
    raises(openai.InternalServerError, lambda: script.chat.completions.create(model="scripted", messages=user("break")), 500)
    assert script.chat.completions.create(model="scripted", messages=user("x")).choices[0].message.content == "Hello, you."
    # One place to be computed and one to wait: the third is told to try again, and does by itself where the client lets it.
    first = full.chat.completions.create(model="scripted", messages=user("forever"), stream=True)
    next(iter(first))
    second = full.with_options(timeout=0.2).chat.completions
    raises(openai.APITimeoutError, lambda: second.create(model="scripted", messages=user("x")))
    soon(lambda: metrics(full_at)["minke_requests_queued"] == 0)  # what was not waited for is forgotten
    waits = full.chat.completions.with_raw_response
    import threading
    waiting = threading.Thread(target=lambda: waits.create(model="scripted", messages=user("x")))
    waiting.start()
    soon(lambda: metrics(full_at)["minke_requests_queued"] == 1)
    e = raises(openai.RateLimitError, lambda: full.chat.completions.create(model="scripted", messages=user("x")), 429, code="queue_full")
    assert int(e.response.headers["retry-after"]) > 0
    first.close()
    waiting.join(120)
    assert not waiting.is_alive()
    patient = full.with_options(max_retries=5).chat.completions.create(model="scripted", messages=user("x"))
    assert patient.choices[0].message.content == "Hello, you."


def test_streams_that_are_closed_leave_nothing():
    for client, address, key, text in ((script, script_at, "sesame", "forever"), (real, real_at, "", "How is the sea?")):
        before = metrics(address, key)
        for _ in range(10):
            stream = client.chat.completions.create(model=client.models.list().data[0].id, messages=user(text), stream=True, n=2, temperature=1)
            next(iter(stream))
            stream.close()
        soon(lambda: (m := metrics(address, key))["minke_requests_running"] == 0 and m["minke_kv_pages_free"] == m["minke_kv_pages"])
        if client is script:
            assert metrics(address, key)['minke_requests_total{end="gone"}'] - before.get('minke_requests_total{end="gone"}', 0) == 10


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print(name)
