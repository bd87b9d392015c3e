"""Requests whose JSON is right and whose fields are not: each documented field with each wrong type and each absurd value."""
import json

from wire import Wire, chat, post

TEXT, LIST, OBJECT, TRUE, HALF, MINUS, LARGE, HUGE = "abc", [[]], {"a": []}, True, 0.5, -7, 2**63, 10**30
ALL = (TEXT, LIST, OBJECT, TRUE, HALF, MINUS, LARGE, HUGE)
LONG = "x" * 2000


def but(*right):
    """The wrong ones: all but these."""
    return [v for v in ALL if not any(v is r for r in right)]


NUMBER = but(HALF)
WHOLE = but()
# Field: what is wrong.
COMMON = {
    "model": but(TEXT),
    "temperature": NUMBER + [101, -0.001], "top_p": NUMBER + [1.001], "min_p": NUMBER + [1.5], "top_k": WHOLE + [-2],
    "presence_penalty": NUMBER + [2.1], "frequency_penalty": NUMBER + [-2.1], "repetition_penalty": NUMBER + [0, 101],
    "n": WHOLE + [0, 65, 1e9, 1.0], "seed": but(MINUS), "max_tokens": WHOLE + [0, 2**31, 1e300],
    "stop": but(TEXT) + [LONG, ["a", 1], ["a"] * 17, [None]],
    "logit_bias": but() + [{"a": 1}, {"1": "a"}, {"1": 101}, {"-1": 1}, {"1": None}, {"999999999": 1}, {"1" * 30: 1}, {"": 1}],
    "stream": but(TRUE), "stream_options": but(OBJECT) + [{"include_usage": True}],
    "response_format": but() + [{}, {"type": "xml"}, {"type": 7}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": []},
                                {"type": "json_schema", "json_schema": {"schema": 7}},
                                {"type": "json_schema", "json_schema": {"schema": {"type": "nothing"}}},
                                {"type": "json_schema", "json_schema": {"schema": {"pattern": "(a+)+$"}}}],
}
USER = {"role": "user", "content": "short"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def tool(name, **more):
    return {"type": "function", "function": {"name": name, **more}}


def called(**more):
    return [USER, {"role": "assistant", "content": None, "tool_calls": [dict(CALL, **more)]}]


CHAT = dict(COMMON, **{
    "messages": but() + [None, [], [USER] * 10_001, [{}], [dict(USER, role=r) for r in ("robot",)], [dict(USER, role=7)],
                         [{"role": "user"}], [dict(USER, content=7)], [dict(USER, content=[7])], [dict(USER, content=[{"type": "text"}])],
                         [dict(USER, content=[{"type": "image_url", "image_url": {"url": "http://x"}}])],
                         [dict(USER, content=[{"type": "text", "text": 7}])], [dict(USER, name=7)], [dict(USER, tool_call_id=[])],
                         [USER, {"role": "assistant", "reasoning_content": 7}], [USER, {"role": "assistant", "tool_calls": 7}],
                         called(function=7), called(function={"name": 7}), called(function={"name": "f", "arguments": 7}), called(id=7),
                         [7], [[]], [None]],
    "max_completion_tokens": COMMON["max_tokens"], "logprobs": but(TRUE), "top_logprobs": WHOLE + [21, 3],
    "reasoning_budget": WHOLE + [-2, 2**31], "thinking": but() + [{}, {"type": "maybe"}, {"type": 7}],
    "chat_template_kwargs": but(OBJECT) + [{"thinking": 7}, {"enable_thinking": "yes"}],
    "tools": but() + [{"type": "function"}, [7], [{}], [{"type": "function"}], [tool("")], [tool(7)], [tool("a b")], [tool("a" * 65)],
                      [tool("f")] * 2, [tool("f", parameters=7)], [tool(f"f{i}") for i in range(257)], [dict(tool("f"), type="code")]],
    "tool_choice": but() + ["always", "required", {"type": "function"}, {"type": "function", "function": {"name": "g"}}, {"function": 7}],
})
COMPLETION = dict(COMMON, **{
    "prompt": but(TEXT) + [None, [], [TRUE], ["a", 7], [7, "a"], [[7], "a", {}], [-1], [1.5], [2**40], [2**63], [10**6], ["a"] * 65, [[]]],
    "logprobs": WHOLE + [21], "echo": but(TRUE), "suffix": but(), "best_of": WHOLE + [2],
})
ROUTES = (
    ("/v1/chat/completions", chat("short"), CHAT), ("/v1/completions", {"prompt": "short"}, COMPLETION),
    ("/tokenize", {"content": "a"}, {"content": but(TEXT) + [None], "add_special": but(TRUE), "parse_special": but(TRUE), "with_pieces": but(TRUE)}),
    ("/detokenize", {"tokens": [1]}, {"tokens": but() + [None, [None], ["1"], [1.5], [-1], [300], [2**63], [10**30]]}),
    ("/apply-template", {"messages": [USER]}, {"messages": CHAT["messages"], "tools": CHAT["tools"]}),
)


def wrong_fields(server):
    c = Wire(server.port)
    for route, right, fields in ROUTES:
        c.say(post(route, right))
        assert (got := c.answer())[0] == 200, (route, got)
        for field, wrong in fields.items():
            for value in wrong:
                c.say(post(route, dict(right, **{field: value})))
                status, _, body = c.answer()
                of = (route, field, str(value)[:80], status, body[:300])
                assert status == (404 if field == "model" and isinstance(value, str) else 400), of
                error = json.loads(body)["error"]
                assert error["param"] == field, of
                assert field in error["message"] and len(error["message"]) < 2000, of
    # A model that is not here is another mistake.
    c.say(post("/v1/chat/completions", chat("short", model="gpt-9")))
    status, _, body = c.answer()
    assert status == 404 and json.loads(body)["error"]["code"] == "model_not_found", body
    c.close()


def large_schemas(server):
    """Grammars as large as they are let be, and larger."""
    text = {"type": "string"}
    deep = text
    for _ in range(60):
        deep = {"type": "array", "items": deep, "maxItems": 10}
    wide = {"type": "object", "properties": {f"p{i}": {"type": "array", "items": text, "maxItems": 100} for i in range(2000)}}
    doubled = {"$defs": {f"d{i}": {"anyOf": [{"type": "array", "prefixItems": [{"$ref": f"#/$defs/d{i + 1}"}] * 2}] * 2} for i in range(40)},
               "$ref": "#/$defs/d0"}
    doubled["$defs"]["d40"] = text
    itself = {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, text]}}, "$ref": "#/$defs/a"}
    c = Wire(server.port)
    for schema in (dict(text, maxLength=10**9), dict(text, minLength=10**6), {"type": "array", "items": text, "minItems": 10**9}, deep, wide, doubled,
                   itself, {"enum": [f"{i}" * 50 for i in range(4000)]}, {"enum": []}, {"type": "integer", "minimum": 10**30},
                   {"type": "integer", "minimum": -2**62, "maximum": 2**62}):
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        c.say(post("/v1/chat/completions", chat("short", response_format=form, max_tokens=3)))
        status, _, body = c.answer()
        assert status in (200, 400), (str(schema)[:100], status, body[:300])
        if status == 400:
            assert json.loads(body)["error"]["param"] == "response_format", body
    c.close()
