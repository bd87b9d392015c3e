#!/usr/bin/env python3
"""Random templates of the constructs that src/tokenize/jinja/template.h knows, and what Jinja2 makes of them as transformers sets it up.
  jinja_cases.py write COUNT [SEED] > tests/tokenize/jinja_cases.jsonl   lines with source, inputs and text or error
  jinja_cases.py compare MINKE COUNT [SEED]    runs MINKE on as many and lists where it differs
(made with jinja2 3.1.6 and transformers 5.24)"""
import collections
import datetime
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import transformers.utils.chat_template_utils as chat


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 1, 20, 12)


chat.datetime = Clock

STRINGS = ["Hello World", "", "a", "a,b,,c", "  padded \n", "line one\nline two\r\n  three", "Grüße ſtraße İ", "中文 text🙂", "don't \"quote\"", "x\ty",
           "<b>&amp;</b>", "aaabcabc", "12", "-3.5e2", "inf", "ÀB ǆ ﬁ", "a\u00a0b\u2028c", "</think>rest", "A-b (c) [d]", "user", "\x1b\x7f\u200b"]
KEYS = ["a", "b", "role", "content", "items", "x y"]
NAMES = ["s", "u", "n", "m", "f", "t", "nil", "xs", "ws", "d", "messages", "tools"]
# Jinja2 takes what a template sets at all for undefined in inner blocks, unless it was read before: this reads everything.
HEAD = "{%- set all = [" + ", ".join(NAMES) + ", v, k]|length -%}"


class Maker:
    def __init__(self, rng):
        self.rng, self.loops, self.inner, self.macros = rng, 0, 0, []

    def one(self, *choices):
        return self.rng.choice(choices)

    def inputs(self):
        text = lambda: self.one(*STRINGS)
        number = lambda: self.one(0, 1, 2, 3, 7, -1, -4, 255, 1000000, 2**40)
        message = lambda: self.one({"role": self.one("user", "assistant", "system"), "content": text()}, {"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {"x": number()}}]})
        return {"s": text(), "u": text(), "n": number(), "m": number(), "f": self.one(0.0, 2.5, -1.5, 1e20, 1e-7, 0.1, 123456.789, 1e16), "t": self.one(True, False), "nil": None,
                "xs": [number() for _ in range(self.rng.randrange(5))], "ws": [text() for _ in range(self.rng.randrange(5))],
                "d": {key: self.one(number(), text(), None, True, [1, "z"], {"x": 1.0}) for key in self.rng.sample(KEYS, self.rng.randrange(5))},
                "messages": [message() for _ in range(self.rng.randrange(4))], "tools": self.one(None, [{"type": "function", "function": {"name": "get", "n": 1.5}}])}

    # -- expressions: each line's alternatives are templates whose {letters} are made anew
    def fill(self, pattern, depth):
        makers = {"S": self.string, "I": self.integer, "B": self.boolean, "L": self.list, "D": self.dict, "A": self.any, "K": lambda _: repr(self.one(*KEYS)), "C": self.slice}
        return re.sub(r"\{([SIBLDAKC])\}", lambda m: makers[m[1]](depth - 1), pattern)

    def literal(self, _=0):
        text = self.one(*STRINGS, "\\n", "\\'", "\\x41", "\\u4e2d", "\\q")
        quote = self.one("'", '"')
        return quote + (text if "\\" in text else text.replace(quote, "\\" + quote)) + quote

    def slice(self, depth):
        part = lambda: self.one("", "", str(self.rng.randrange(-4, 6)))
        return part() + ":" + part() + self.one("", "", ":", ":2", ":-1", ":-2")

    def string(self, depth):
        if depth <= 0:
            return self.one("s", "u", self.literal())
        return self.fill(self.one(
            "({S}) + ({S})", "({S}) ~ {A}", "({S}) * 2", "-1 * {S}", "({S}).upper()", "({S}).lower()", "({S}).title()", "({S}).capitalize()", "({S}).strip()", "({S}).lstrip()", "({S}).rstrip({S})",
            "({S}).strip({S})", "({S}).replace({S}, {S})", "({S}).replace('', '-', 2)", "({S}).replace('a', {S}, 1)", "({S}).split()[0]", "({S}).split({S})[-1]", "({S}).join({L})", "({S})[{C}]",
            "({S})[{I}]", "{S} | upper", "{S} | lower", "{S} | title", "{S} | capitalize", "{A} | trim", "{S} | trim({S})", "{S} | replace({S}, {S})", "{A} | replace('a', 'b', 1)", "{S} | indent",
            "{S} | indent(2, true)", "{S} | indent('>', blank=true)", "{L} | join", "{L} | join(', ')", "{L} | join({A}, attribute='role')", "{A} | string", "{S} | reverse", "{A} | tojson",
            "{A} | tojson(indent=2)", "{D} | tojson(separators=(',', ':'), sort_keys=true)", "{L} | tojson(indent='-')", "{A} | default({S})", "{A} | d('none', true)", "({S}) if {B} else {S}",
            "({S}) if {B}", "strftime_now('%d %b %Y')", "messages[{I}].content", "d[{K}]", "d.get({K}, {S})", "{L} | first", "{L} | last", "({A})"), depth)

    def integer(self, depth):
        if depth <= 0:
            return self.one("n", "m", "0", "1", "2", "7", "-3", "1.5", "f", "true")
        return self.fill(self.one(
            "({I}) + ({I})", "({I}) - {I}", "({I}) * {I}", "({I}) / {I}", "({I}) // ({I})", "({I}) % ({I})", "-{I}", "+{I}", "{A} | length", "{S} | count", "{S} | int", "{A} | int(5)", "{S} | float",
            "{A} | float(0.5)", "{I} | abs", "{I} | round", "{I} | round(1)", "{I} | round(1, 'floor')", "{I} | round(method='ceil')", "({S}).find({S})", "({S}).count({S})", "{L}[{I}]", "loop.index",
            "loop.index0", "loop.revindex", "loop.length", "({I})"), depth)

    def boolean(self, depth):
        if depth <= 0:
            return self.one("t", "true", "False", "n > 1", "s", "xs", "not t", "loop.first", "loop.last")
        test = self.one("defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping", "sequence", "iterable", "callable", "odd", "even",
                        "divisibleby 3", "eq {A}", "equalto({A})", "ne 1", "lt {I}", "ge(2)", "in {L}", "in('abc')")
        return self.fill(self.one(
            "({A}) == ({A})", "({A}) != {A}", "({I}) < {I}", "1 < {I} <= 7", "({S}) >= ({S})", "({S}) in ({S})", "({A}) in {L}", "({A}) not in {L}", "{K} in {D}", "not {B}", "({B}) and ({B})",
            "({A}) or {B}", f"({{A}}) is {test}", f"{{S}} is not {test}", "({S}).startswith({S})", "({S}).endswith((',', 'c'))", "({L}) < ({L})", "{D} == d"), depth)

    def list(self, depth):
        if depth <= 0:
            return self.one("xs", "ws", "messages", "[]", "[1, 2, 3]", "['b', 'A', 'c', 'a']", "(1, 'x')", "range(3)")
        select = self.one("", "'odd'", "'string'", "'equalto', 'a'", "'defined'", "'none'", "'in', xs", "'gt', 1")
        by = self.one("'content'", "'role', 'equalto', 'user'", "'x', 'defined'", "'role', 'in', 'user'")
        mapped = self.one("'upper'", "'string'", "'length'", "'trim'", "attribute='role'", "attribute='content', default='-'", "'default', 0", "'tojson'", "attribute=0", "'replace', 'a', 'b'")
        return "(" + self.fill(self.one(
            "[{A}, {A}]", "[{A}]", "{A},", "({L}) + ({L})", "{L} * 2", "{L}[{C}]", "({S}).split({S})", "({S}).split(None, 1)", "({S}).split(maxsplit=2)", "({S}).splitlines()",
            "{L} | sort", "{L} | sort(reverse=true)", "{L} | sort(case_sensitive=true)", "{L} | sort(attribute='role')", "{L} | unique | list", f"{{L}} | map({mapped}) | list", f"{{L}} | select({select}) | list",
            f"{{L}} | reject({select}) | list", f"{{L}} | selectattr({by}) | list", f"{{L}} | rejectattr({by}) | list", "{L} | reverse | list", "{L} | list", "{S} | list", "{D} | list", "{D} | dictsort",
            "{D} | dictsort(true, 'value', reverse=true)", "{D}.keys() | list", "{D}.values() | list", "{D}.items() | list", "{D} | items | list", "range({I} % 5, 6, 2) | list", "range(6, {I}, -2) | list"), depth) + ")"

    def dict(self, depth):
        return self.one("d", "d", "{}", "{'a': 1, 'b': 'x'}", "messages[0]") if depth <= 0 else self.fill(self.one("{D}", "{{K}: {A}, {K}: {A}}", "dict(a={A})", "{'x y': {L}}"), depth)

    def any(self, depth):
        odd = lambda depth: self.fill(self.one(*NAMES, "v", "k", "undefined_name", "d.a", "d.items", "d.x.y", "nil.x", "({D}).b", "none", "ns.a", "{L}[{I}]", "({S}).x", "n[0]", "xs.a", "namespace(a=1).a"), max(depth, 1))
        return self.one(self.string, self.string, self.integer, self.boolean, self.list, self.dict, odd, self.call)(depth)

    def call(self, depth):
        return self.string(depth - 1) if not self.macros else self.one(*self.macros) + self.fill(self.one("()", "({A})", "({A}, {A})", "(b={A})", "(a=1, b=2)", "(1, 2, 3)", "(c=1)"), depth)

    # -- statements
    def tag(self, text):
        return "{%" + self.one("", "", "-", "+") + " " + text + " " + self.one("", "", "-", "+") + "%}"

    def body(self, depth):
        space = lambda: self.one("", "", "\n", "\n  ", " ", "  \n")
        return "".join(space() + self.statement(depth) + space() for _ in range(self.rng.randrange(1, 4)))

    def inside(self, depth, loops=0):
        outside, self.loops, self.inner = self.loops, loops, self.inner + 1
        out = self.body(depth - 1)
        self.loops, self.inner = outside, self.inner - 1
        return out

    def statement(self, depth):
        if depth <= 0 or self.rng.random() < 0.42:
            return self.one(self.text, self.print, self.print, self.set, self.comment)()
        return self.one(self.if_, self.if_, self.for_, self.for_, self.set_block, self.macro, self.namespace, self.generation, self.jump)(depth)

    def text(self):
        return self.one("x", " ", "\n", "  \n", "\n  ", "a\n\n  b", "{ }", "\t", "中", "\r\n", "\u00a0", "}}", "#", "")

    def print(self):
        return "{{" + self.one("", "", "-", "+") + " " + self.one("@", "@", "(@) | safe").replace("@", self.any(self.rng.randrange(4))) + " " + self.one("", "", "-") + "}}"

    def comment(self):
        return "{#" + self.one("", "-", "+") + self.one(" note ", "", "\n {{ s }} {% if %}\n") + self.one("", "-", "+") + "#}"

    def set(self):
        return self.tag(self.fill(self.one("set v = {A}", "set k = {A}", "set s = {S}", "set n = {I}", "set xs = {L}", "set messages = messages[1:]", "set v, k = 1, {A}", "set v, k = {L}"), 3))

    def set_block(self, depth):
        return self.tag("set " + self.one("v", "k", "s")) + self.inside(depth) + self.tag("endset")

    def namespace(self, depth):
        return self.tag(self.fill(self.one("set ns = namespace(a={A}, b=0)", "set ns.a = {A}", "set ns.b = ns.b + 1", "set ns.a, v = 1, 2"), 2)) + self.one("", "{{ ns.a }}")

    def if_(self, depth):
        out = self.tag(f"if {self.boolean(2)}") + self.body(depth - 1)
        if self.rng.random() < 0.3:
            out += self.tag(f"elif {self.boolean(2)}") + self.body(depth - 1)
        return out + (self.tag("else") + self.body(depth - 1) if self.rng.random() < 0.5 else "") + self.tag("endif")

    def for_(self, depth):
        head = self.fill(self.one("for v in {L}", "for s in {L}", "for x in {A}", "for v, k in d.items()", "for (v, k) in {D} | dictsort", "for v, k in {D} | items"), 2) + self.fill(self.one("", "", "", " if v", " if {B}", " if v is string"), 1)
        out = self.tag(head) + self.one("", "{{ v }}", "{{ loop.index }}", "{{ loop.previtem }}{{ loop.nextitem }}", "{{ loop.last }}") + self.inside(depth, self.loops + 1)
        return out + (self.tag("else") + self.body(depth - 1) if self.rng.random() < 0.25 else "") + self.tag("endfor")

    def jump(self, depth):
        return self.text() if self.loops == 0 else self.tag(f"if {self.boolean(1)}") + self.tag(self.one("break", "continue")) + self.tag("endif")

    def macro(self, depth):
        if self.inner:
            return self.text()
        name, known, self.macros = self.one("m1", "m2"), self.macros, []
        out = self.tag(f"macro {name}({self.one('', 'a', 'a, b', 'a, b=2', 'a=s, b=a', 'a, b=none')})") + self.one("", "{{ a }}", "{{ b }}", "{{ a ~ v }}") + self.inside(depth) + self.tag("endmacro")
        self.macros = known + [name]
        return out + self.one("", "{{ %s }}" % self.call(1))

    def generation(self, depth):
        return self.tag("generation") + self.inside(depth) + self.tag("endgeneration")


def rendered(source, inputs):
    try:
        return {"text": chat._cached_compile_jinja_template(source).render(**inputs)}
    except Exception as e:  # whatever Python has against it
        return {"error": f"{type(e).__name__}: {e}"[:100]}


def cases(count, seed):
    index = 0
    while count > 0:
        rng, index = random.Random(f"{seed}/{index}"), index + 1
        maker = Maker(rng)
        case = {"source": HEAD + maker.body(rng.choice([1, 2, 2, 3])), "inputs": maker.inputs()}
        case["inputs"] = {name: value for name, value in case["inputs"].items() if re.search(rf"\b{name}\b", case["source"][len(HEAD):])}
        case.update(rendered(case["source"], case["inputs"]))
        if len(case["source"]) > 1000 or " at 0x" in case.get("text", "") or "name 'inf' is not" in case.get("error", ""):  # long; an address in it; a fault of Jinja2's constants
            continue
        yield case
        count -= 1


def compare(minke, count, seed):
    all_cases = list(cases(count, seed))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with open(folder / "in.jsonl", "w") as lines:
            for i, case in enumerate(all_cases):
                (folder / f"{i}.jinja").write_bytes(case["source"].encode())
                lines.write(json.dumps({"template": f"{i}.jinja", "inputs": case["inputs"]}) + "\n")
        subprocess.run([minke, "template", "render", "--templates", folder, "--jsonl", folder / "in.jsonl", "--out", folder / "out.jsonl", "--now", "2025-01-20T12:00:00"], check=True)
        answers = [json.loads(line) for line in open(folder / "out.jsonl")]
    assert len(answers) == len(all_cases)
    kinds, unsupported = collections.Counter(), collections.Counter()
    for case, answer in zip(all_cases, answers):
        if "text" in case and re.search("not supported|64 bits", answer.get("error", "")):
            kinds["not supported"] += 1
            unsupported[re.sub(r"^.*?line \d+: ", "", answer["error"])] += 1
        elif case.get("text") == answer.get("text") and ("error" in case) == ("error" in answer):
            kinds["same text" if "text" in case else "error in both"] += 1
        else:
            kinds["DIFFERENT"] += 1
            if kinds["DIFFERENT"] <= 15:
                print(json.dumps(case["inputs"], ensure_ascii=False), "\n---", case["source"], "---\njinja2:", repr(case.get("text", case.get("error"))), "\nminke: ", repr(answer.get("text", answer.get("error"))), "\n")
    print(dict(kinds))
    for what, times in unsupported.most_common():
        print(f"  {times} {what}")
    return kinds["DIFFERENT"] == 0


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "write":
        for case in cases(int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "1"):
            print(json.dumps(case, ensure_ascii=False))
    elif len(sys.argv) >= 4 and sys.argv[1] == "compare":
        sys.exit(not compare(sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "1"))
    else:
        sys.exit(__doc__)
