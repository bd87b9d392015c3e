"""Where small faults can be planted in a C++ file, and the file with all of them behind a switch. Used by mutate.py.

It reads tokens, not syntax, and leans on the house's formatting (clang-format): a binary operator has space on both sides,
a template bracket, a reference or a pointer has not. What it gets wrong does not compile, and mutate.py leaves that out.

A fault inside an expression turns the smallest expression around it whose ends are certain (an argument, a condition, an
initialiser, what is returned) into `planted_fault(7) ? (faulty) : (original)`; a fault of a statement becomes
`if (planted_fault(7)) { faulty } else original`. So a file is compiled once for all of its faults.
"""
import re
from collections import namedtuple
from dataclasses import dataclass, field

Token = namedtuple("Token", "kind text begin end")

# One fault per process: PLANTED_FAULT is its number. PLANTED_FAULTS_REACHED names a file with one byte for each fault,
# set to 1 where a fault would have been.
SWITCH = r"""
// Faults may leave a function without a result or a variable without a value: no reason to stop a build with -Werror.
#pragma GCC diagnostic ignored "-Wreturn-type"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Warray-bounds"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#ifndef PLANTED_FAULT_SWITCH
#define PLANTED_FAULT_SWITCH
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cstdlib>
#include <type_traits>
inline bool planted_fault(int number) {
  static const int wanted = [] {
    const char* text = std::getenv("PLANTED_FAULT");
    return text ? std::atoi(text) : -1;
  }();
  static unsigned char* const reached = []() -> unsigned char* {
    const char* path = std::getenv("PLANTED_FAULTS_REACHED");
    const int file = path ? ::open(path, O_RDWR) : -1;
    if (file < 0) return nullptr;
    void* memory = ::mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    return memory == MAP_FAILED ? nullptr : static_cast<unsigned char*>(memory);
  }();
  if (reached) reached[number] = 1;
  return number == wanted;
}
#endif
"""

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<directive>^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
      | (?P<string>(?:u8|u|U|L)?R"(?P<mark>[^\s()\\]*)\(.*?\)(?P=mark)"|(?:u8|u|U|L)?"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')
      | (?P<number>\.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<op><<=|>>=|<=>|->\*|\.\.\.|::|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)""",
    re.X | re.S | re.M)

OTHER_OPERATORS = {
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"], "&&": ["||"], "||": ["&&"],
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="]}
OTHER_ASSIGNMENTS = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|="}
OTHER_NAMES = {"min": "max", "max": "min", "floor": "ceil", "ceil": "floor", "sin": "cos", "cos": "sin", "front": "back",
               "back": "front", "first": "second", "second": "first", "all_of": "any_of", "any_of": "all_of",
               "true": "false", "false": "true"}
ASSIGNMENTS = set(OTHER_ASSIGNMENTS) | {"=", "%=", "^=", "<<=", ">>="}
NO_EXPRESSION = set("""return if for while do switch case default using typedef const constexpr static auto struct class enum
    template namespace friend public private protected break continue goto throw delete extern inline virtual explicit
    operator else try catch union mutable""".split())
# Our own assertions: left out, a test of the behaviour cannot notice that one is gone.
ASSERTIONS = {"check", "bug", "static_assert", "assert"}


@dataclass
class Fault:
    file: str
    line: int
    kind: str
    before: str
    after: str
    place: int  # in the file; several faults may share one
    # ("expression" or "statement", begin, end, faulty text): what is switched; ("always", begin, end, text): what must be
    # written differently for the switch to compile.
    edits: list = field(default_factory=list)
    number: int = -1

    def key(self):
        return f"{self.file}:{self.place}:{self.kind}:{self.after}"

    def __str__(self):
        return f"{self.file}:{self.line}  {self.kind}: {self.before}  →  {self.after}"


def tokens_of(text):
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        kind = "string" if match.group("string") else match.lastgroup
        if kind not in ("space", "directive"):
            found.append(Token(kind, match.group(), at, match.end()))
        at = match.end()
    return found


class Source:
    """The tokens of a file, which bracket closes which, and the expressions whose ends are certain."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        self.tokens = tokens_of(text)
        self.close, self.open_around = {}, [-1] * len(self.tokens)
        stack = []
        for i, t in enumerate(self.tokens):
            if t.text in (")", "]", "}") and t.kind == "op" and stack:
                self.close[stack.pop()] = i
            self.open_around[i] = stack[-1] if stack else -1
            if t.text in ("(", "[", "{") and t.kind == "op":
                stack.append(i)
        self.expressions = []  # (first token, token behind the last, role)
        self.statements = []  # (first token, its semicolon)
        for i in list(self.close):
            self._read_bracket(i)
        self._read_statements(-1, len(self.tokens))

    def at(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def is_code_block(self, i):
        """A { that holds statements, not members or a list of values."""
        if self.at(i) != "{" or self.is_type_body(i):
            return False
        before = self.at(i - 1)
        return before in (")", "else", "do", "try", "const", "noexcept", "override", "{", "}", ";", ":") or \
            any(self.at(k) == ";" for k in self.inside(i))

    def is_type_body(self, i):
        k = i - 1
        while k >= 0 and self.at(k) not in (";", "{", "}", ")"):
            if self.at(k) in ("struct", "class", "enum", "namespace", "union"):
                return True
            k -= 1
        return False

    def inside(self, i):
        """Tokens directly inside the bracket, inner brackets skipped (their opening one is given)."""
        k = i + 1
        while k < self.close[i]:
            yield k
            k = self.close[k] + 1 if k in self.close else k + 1

    def _read_bracket(self, i):
        if self.is_code_block(i):
            return self._read_statements(i, self.close[i])
        if self.is_type_body(i):
            return self._read_statements(i, self.close[i]) if "enum" not in self._head(i) else None
        head = self.at(i - 1)
        if head in ("static_assert", "decltype", "sizeof", "bug", "constexpr", "operator"):
            return
        role = {"if": "condition", "while": "condition"}.get(head, "argument" if self.at(i) != "[" else "index")
        separators = (";", ":") if head == "for" else (";",) if role == "condition" else (",",)
        begin, pieces = i + 1, []
        for k in self.inside(i):
            if self.at(k) in separators:
                pieces.append((begin, k))
                begin = k + 1
        pieces.append((begin, self.close[i]))
        if head == "for":
            for n, piece in enumerate(pieces):
                self._add(*piece, "loop condition" if n == 1 and len(pieces) == 3 else "loop")
            return
        if role == "condition":
            pieces = pieces[-1:]
        for piece in pieces:
            self._add(*piece, role)

    def _head(self, i):
        k = i - 1
        while k >= 0 and self.at(k) not in (";", "{", "}"):
            k -= 1
        return [self.at(n) for n in range(k + 1, i)]

    def _add(self, begin, end, role):
        """The part behind an assignment, if there is one at this depth."""
        assigned = False
        k = start = begin
        while k < end:
            if self.at(k) in ASSIGNMENTS and self.tokens[k].kind == "op":
                begin, assigned = k + 1, True
            k = self.close[k] + 1 if k in self.close and self.close[k] < end else k + 1
        if begin >= end or self.at(begin) in ("{", "[", "default", "delete"):
            return
        if assigned or not (role == "value" or self._declares(start)):
            self.expressions.append((begin, end, "value" if assigned and role == "argument" else role))

    def _read_statements(self, opening, end):
        """Statements directly in a block; `end` is behind them."""
        begin = k = opening + 1
        while k < end:
            text = self.at(k)
            if text == ";":
                self._read_statement(begin, k, opening)
                begin = k + 1
            elif text == "(" and self.at(k - 1) in ("if", "for", "while", "switch", "constexpr") and k in self.close:
                k = self.close[k]
                begin = k + 1
            elif text == "else" or text == "do" or (text == ":" and self.at(begin) in ("case", "default", "public", "private")):
                begin = k + 1
            elif text == "{" and k in self.close:
                block = self.is_code_block(k) or self.is_type_body(k)
                lambda_body = block and self.at(k - 1) == ")" and begin < k and self._is_lambda(begin, k)
                k = self.close[k]
                if block and not lambda_body and self.at(k + 1) not in (")", ",", ";", "("):
                    begin = k + 1
            elif k in self.close:
                k = self.close[k]
            k += 1

    def _is_lambda(self, begin, brace):
        return any(self.at(k) == "[" and self.at(k - 1) in ("=", "(", ",", "return", "{") for k in range(begin, brace))

    def _read_statement(self, begin, semicolon, opening):
        if begin >= semicolon:
            return
        first = self.at(begin)
        if first == "return":
            if self.at(begin + 1) not in ("{", "["):
                self.expressions.append((begin + 1, semicolon, "result")) if begin + 1 < semicolon else None
            return
        k = begin  # initialisers and assigned values: each part between commas
        part = begin
        while k <= semicolon:
            if k == semicolon or self.at(k) == ",":
                if first not in ("using", "template", "typedef"):
                    self._add(part, k, "value")
                part = k + 1
            k = self.close[k] + 1 if k in self.close else k + 1
        in_code = opening >= 0 and self.is_code_block(opening)
        if in_code and (first in ("break", "continue") or (first not in NO_EXPRESSION and not self._declares(begin))):
            self.statements.append((begin, semicolon))

    def _declares(self, k):
        """Type, then a name."""
        while self.at(k) in ("const", "constexpr", "static", "inline"):
            k += 1
        if self.tokens[k].kind != "name":
            return False
        while self.at(k + 1) == "::":
            k += 2
        k += 1
        if self.at(k) == "<" and self.text[self.tokens[k].begin - 1] != " ":
            depth = 0
            while k < len(self.tokens):
                depth += {"<": 1, ">": -1, ">>": -2}.get(self.at(k), 0)
                k += 1
                if depth <= 0:
                    break
            while self.at(k) == "::":
                k += 2
        while self.at(k) in ("*", "&", "&&") and self.text[self.tokens[k].begin - 1] != " ":
            k += 1
        return k < len(self.tokens) and self.tokens[k].kind == "name"

    def words(self, begin, end):
        """The text of tokens on one line, without comments."""
        out = ""
        for k in range(begin, end):
            gap = k > begin and self.tokens[k].begin > self.tokens[k - 1].end
            out += (" " if gap else "") + self.tokens[k].text
        return out

    def with_token(self, begin, end, changes):
        """words, with some tokens replaced."""
        out = ""
        for k in range(begin, end):
            gap = k > begin and self.tokens[k].begin > self.tokens[k - 1].end
            out += (" " if gap else "") + changes.get(k, self.tokens[k].text)
        return out

    def line(self, k):
        return self.text.count("\n", 0, self.tokens[k].begin) + 1

    def spaced(self, k):
        t = self.tokens[k]
        return self.text[t.begin - 1:t.begin].isspace() and self.text[t.end:t.end + 1].isspace()


def find_faults(name, text):
    source = Source(name, text)
    faults = []
    smallest = [None] * len(source.tokens)
    for e in sorted(set(source.expressions), key=lambda e: e[0] - e[1]):  # larger ones first
        for k in range(e[0], e[1]):
            smallest[k] = e
    statement_of = {}
    for s in sorted(set(source.statements), key=lambda s: s[0] - s[1]):
        for k in range(s[0], s[1]):
            statement_of[k] = s

    def span(begin, end):
        return source.tokens[begin].begin, source.tokens[end - 1].end

    def switchable(begin):
        """A constant whose initialiser is switched cannot be constexpr."""
        k = begin
        while k > 0 and source.at(k - 1) not in (";", "{", "}", ")", "("):
            k -= 1
        for n in range(k, begin):
            if source.at(n) == "constexpr":
                member = source.at(n - 1) == "static" and source.is_type_body(source.open_around[n]) \
                    if source.open_around[n] >= 0 else False
                return [("always", *span(n, n + 1), "inline const" if member else "const")]
        return []

    def add(kind, k, before, after, *edits):
        faults.append(Fault(name, source.line(k), kind, before, after, source.tokens[k].begin, list(edits)))

    def expression(e, changed):
        return ("expression", *span(e[0], e[1]), changed)

    def change(kind, k, e, changes):
        if e is not None:
            after = source.with_token(e[0], e[1], changes)
            add(kind, k, source.words(e[0], e[1]), after, expression(e, after), *switchable(e[0]))

    for k, t in enumerate(source.tokens):
        e, before = smallest[k], source.at(k - 1)
        if t.kind == "number":
            for other in other_numbers(t.text):
                change("constant", k, e, {k: other})
        elif t.kind == "name" and t.text in OTHER_NAMES and (t.text in ("true", "false") or before in ("::", ".", "->")):
            change("constant" if t.text in ("true", "false") else "name", k, e, {k: OTHER_NAMES[t.text]})
        elif t.kind == "op" and source.spaced(k) and t.text in OTHER_OPERATORS and before not in ("operator", "return", ","):
            for other in OTHER_OPERATORS[t.text]:
                change("operator", k, e, {k: other})
        elif t.text == "!" and source.at(k + 1) != "=":
            change("operator", k, e, {k: ""})
        elif t.text == "-" and not source.spaced(k) and before in ("(", ",", "=", "return", "?", ":", "{", "+", "*"):
            change("operator", k, e, {k: ""})
        if t.text in OTHER_ASSIGNMENTS and k in statement_of:
            s = statement_of[k]
            after = source.with_token(s[0], s[1] + 1, {k: OTHER_ASSIGNMENTS[t.text]})
            add("operator", k, source.words(s[0], s[1] + 1), after, ("statement", *span(s[0], s[1] + 1), after))

    for e in sorted(set(source.expressions)):
        begin, end, role = e
        words = source.words(begin, end)
        conditions = [(begin, end)] if role in ("condition", "loop condition") else []
        depth0 = [k for k in top_level(source, begin, end)]
        if [source.at(k) for k in depth0 if source.at(k) in ("?", ":")] == ["?", ":"]:
            q, c = [k for k in depth0 if source.at(k) in ("?", ":")]
            if not any(source.at(k) in ASSIGNMENTS for k in depth0):
                head, a, b = source.words(begin, q), source.words(q + 1, c), source.words(c + 1, end)
                add("branches swapped", q, words, f"{head} ? {b} : {a}", expression(e, f"{head} ? {b} : {a}"), *switchable(begin))
        for b, f in conditions:
            if source.at(b) in ("const", "auto", "int64_t", "size_t", "double") or ";" in words:
                continue
            texts = [f"!({words})"] if role == "condition" else []
            texts += [f"({words}) && false"] if role == "condition" else []
            for text_ in texts:
                add("condition", b, words, text_, expression(e, text_))
        if role == "result":
            for after in (f"std::remove_cvref_t<decltype({words})>{{}}", f"({words}) + 1"):
                add("result", begin, words, after, expression(e, after))
        if role == "value" and not re.fullmatch(r"0[.0]*f?|false|nullptr|\"\"", words):
            after = f"std::remove_cvref_t<decltype({words})>{{}}"
            add("value left out", begin, words, after, expression(e, after), *switchable(begin))
        if role in ("argument", "index", "result", "value") and re.fullmatch(r"[A-Za-z_][\w.]*(->\w+)*", words) and \
                words not in ("true", "false", "nullptr", "this"):
            for after in (f"{words} + 1", f"{words} - 1"):
                add("off by one", begin, words, after, expression(e, after), *switchable(begin))

    by_bracket = {}
    for e in set(source.expressions):
        if e[2] in ("argument", "value") and source.open_around[e[0]] >= 0:
            by_bracket.setdefault(source.open_around[e[0]], []).append(e)
    for opening, siblings in by_bracket.items():
        if source.is_code_block(opening) or source.is_type_body(opening):
            continue
        siblings.sort()
        for a, b in zip(siblings, siblings[1:]):
            wa, wb = source.words(a[0], a[1]), source.words(b[0], b[1])
            if wa != wb:
                add("swapped", a[0], f"{wa}, {wb}", f"{wb}, {wa}", expression(a, wb), expression(b, wa))

    for begin, semicolon in sorted(set(source.statements)):
        if source.at(begin) in ASSERTIONS or any(
                source.at(n) in ("reserve", "shrink_to_fit") for n in range(begin, semicolon)):
            continue
        add("statement dropped", begin, source.words(begin, semicolon + 1), "", ("statement", *span(begin, semicolon + 1), ""))
    skip = assertion_spans(source)
    return [f for f in faults if not any(b <= f.place < e for b, e in skip)]


def top_level(source, begin, end):
    k = begin
    while k < end:
        yield k
        k = source.close[k] + 1 if k in source.close else k + 1


def assertion_spans(source):
    """Of check(…), bug(…) and of what is said to the user: their texts are no behaviour of a run."""
    spans = []
    for i, close in source.close.items():
        if source.at(i) == "(" and source.at(i - 1) in ASSERTIONS | {"user_error", "format"} and source.at(i - 2) not in (".", "->"):
            spans.append((source.tokens[i].begin, source.tokens[close].begin))
    return spans


def other_numbers(text):
    if re.fullmatch(r"0[xXbB][\w']+", text):
        return []
    plain = text.replace("'", "")
    if re.fullmatch(r"\d+[uUlL]*", plain):
        digits, suffix = re.fullmatch(r"(\d+)(\w*)", plain).groups()
        n = int(digits)
        return [f"{n + 1}{suffix}"] + ([f"{n - 1}{suffix}"] if n > 0 else [])
    match = re.fullmatch(r"([\d.]+(?:[eE][-+]?\d+)?)([fF]?)", plain)
    if not match:
        return []
    value, suffix = float(match.group(1)), match.group(2)
    return [f"{2 * value!r}{suffix}", f"{value / 2!r}{suffix}"] if value else [f"1.0{suffix}"]


def plant(text, faults):
    """The file with these faults behind the switch; each stands on a line of its own (lines_of)."""
    regions, always = {}, {}
    for fault in faults:
        for kind, begin, end, after in fault.edits:
            if kind == "always":
                always[(begin, end)] = after
            else:
                regions.setdefault((begin, -end, kind), []).append((fault.number, after))
    for (begin, end), after in always.items():
        regions[(begin, -end, "always")] = [(-1, after)]
    ordered = sorted(regions, key=lambda r: (r[0], r[1], r[2] != "statement"))

    def render(begin, end, index):
        out, at = "", begin
        while index < len(ordered) and ordered[index][0] < end:
            b, e, kind = ordered[index][0], -ordered[index][1], ordered[index][2]
            out += text[at:b]
            alternatives = regions[ordered[index]]
            if kind == "always":
                out, index = out + alternatives[0][1], index + 1
            else:
                inner, index_after = render(b, e, index + 1)
                out += switch(kind, alternatives, inner)
                index = index_after
            at = e
        return out + text[at:end], index

    body = render(0, len(text), 0)[0]
    pragma = re.search(r"^#pragma once[^\n]*\n", body, re.M)
    at = pragma.end() if pragma else 0
    return body[:at] + SWITCH + body[at:]


def switch(kind, alternatives, original):
    if kind == "statement":
        faulty = "".join(f"\nif (planted_fault({n})) {{ {after} }} else" for n, after in alternatives)
        return f"{{{faulty}\n{original}\n}}"
    faulty = "".join(f"\nplanted_fault({n}) ? ({after}) :" for n, after in alternatives)
    return f"({faulty}\n({original}\n))"


def faults_at(planted, line):
    """Numbers of the faults that may be meant by a compiler's complaint about a line of the planted file."""
    lines = planted.split("\n")
    found = re.findall(r"planted_fault\((\d+)\)", lines[line - 1]) if 0 < line <= len(lines) else []
    for distance in range(1, 4):
        if found:
            break
        for n in (line - distance, line + distance):
            if 0 < n <= len(lines):
                found += re.findall(r"planted_fault\((\d+)\)", lines[n - 1])
    return [int(n) for n in found]
