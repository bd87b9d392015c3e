"""A second grader, written from docs/grading.md and not from src/reward, to hold minke grade against.

    second_grader.py generate N SEED OUT_FOLDER   responses: math.jsonl, countdown.jsonl, format.jsonl
    second_grader.py check KIND GRADED.jsonl      compares minke's grades with its own; each disagreement is printed

It knows numbers, fractions, percentages, money, units, roots, lists, sets, tuples and intervals, as regular expressions over
text that is first simplified; what else there is it compares as words. Standard library only.
"""
import json
import random
import re
import sys
from fractions import Fraction

SPACES = re.compile(r"\s+")


# ---- mathematics -----------------------------------------------------------------------------------------------------

def simplify(text):
    for old, new in [("−", "-"), ("\\left", ""), ("\\right", ""), ("\\displaystyle", ""), ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"),
                     ("{,}", ","), ("\\!", ""), ("\\%", "%"), ("√", "\\sqrt"), ("×", "\\times"), ("\\cdot", "\\times"), ("·", "\\times"),
                     ("∞", "\\infty"), ("½", "\\frac{1}{2}"), ("¼", "\\frac{1}{4}"), ("\\,", " "), ("\\(", ""), ("\\)", "")]:
        text = text.replace(old, new)
    text = "".join(chr(ord(c) - 0xFEE0) if 0xFF01 <= ord(c) <= 0xFF5E else c for c in text)
    text = re.sub(r"\\frac\s*(\d)\s*(\d)(?!\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\text\s*{([^{}]*)}", r" \1 ", text)
    text = re.sub(r"\\(?:mathbf|boxed|mathrm)\s*{([^{}]*)}", r"\1", text)
    text = re.sub(r"^\s*\*\*(.*)\*\*\s*$", r"\1", text)
    text = re.sub(r"^\s*\$([^$]+)\$(?=\s*$| [a-z]+$)", r"\1", text)
    return SPACES.sub(" ", text).strip().rstrip(".").strip()


NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
UNITS = {"km": "km", "kilometers": "km", "m": "m", "cm": "cm", "hours": "h", "h": "h", "minutes": "min", "dollars": "$"}


def digits(text):
    return Fraction(text.replace(",", ""))


def value_of(text):
    """(worked out?, value, unit) or None. A value is a Fraction, or (sign, square) of a root."""
    text = text.strip()
    m = re.fullmatch(r"[a-z](?:_\d)? ?= ?(.*)", text)
    if m:
        text = m.group(1)
    m = re.fullmatch(r"(.+[^<>=]) ?= ?(-?" + NUMBER + ")", text)
    if m:  # 3 + 4 = 7
        left = arithmetic(m.group(1))
        return (True, digits(m.group(2).replace("-", "")) * (-1 if m.group(2)[0] == "-" else 1), "") if left is not None and left == Fraction(
            m.group(2).replace(",", "")) else None
    sign, unit = 1, ""
    m = re.match(r"([+-]?) ?(\\?\$|€)? ?", text)
    if m.group(1) == "-":
        sign = -1
    if m.group(2):
        unit = "€" if m.group(2) == "€" else "$"
    text = text[m.end():]
    while text.startswith("(") and text.endswith(")") and "(" not in text[1:]:
        text = text[1:-1].strip()
        if text.startswith("-"):
            sign, text = -sign, text[1:]
    worked, value, rest = True, None, ""
    patterns = [
        (r"(\d+) ?\\frac ?{(\d+)}{(\d+)}", lambda g: proper(g)), (r"(\d+) (\d+)/(\d+)", lambda g: proper(g)),
        (r"\\frac ?{(-?\d+)}{(-?\d+)}", lambda g: over(int(g[0]), int(g[1]))), (r"(\d+) ?/ ?(-?\d+)", lambda g: over(int(g[0]), int(g[1]))),
        (r"(" + NUMBER + r") ?(?:\\times|x) ?10\^(?:{(-?\d{1,3})}|(-?\d{1,3}))", lambda g: digits(g[0]) * Fraction(10) ** int(g[1] or g[2])),
        (r"(" + NUMBER + r")[eE]([+-]?\d{1,3})(?!\w)", lambda g: digits(g[0]) * Fraction(10) ** int(g[1])),
        (r"(\d*) ?\\?sqrt ?(?:{(\d+)}|\((\d+)\)|(\d+))", lambda g: root(int(g[0] or 1), int(g[1] or g[2] or g[3]))),
        (r"(" + NUMBER + r")(?![\d])", lambda g: digits(g[0]))]
    for pattern, make in patterns:
        m = re.match(pattern, text)
        if m:
            made = make(m.groups())
            if made is None:
                return None
            if isinstance(made, tuple) and made[0] == "unreduced":
                worked, made = False, made[1]
            value, rest = made, text[m.end():]
            break
    if value is None:
        return None
    if sign < 0:
        value = (-value[0], value[1]) if isinstance(value, tuple) else -value
    rest = rest.strip()
    if rest.startswith("%") and isinstance(value, Fraction):
        value, rest = value / 100, rest[1:].strip()
    if rest:
        if not re.fullmatch(r"[A-Za-z]+(?: [A-Za-z]+){0,3}", rest) or re.search(r"\b(or|and|not|is|half|plus|times|minus)\b", rest):
            return None
        if len(rest) < 3 and rest not in UNITS or len(rest) < 2 and not text.endswith(" " + rest):
            return None
        scale = {"million": 10**6, "thousand": 10**3, "dozen": 12}.get(rest)
        if scale:
            value *= scale
        else:
            unit = UNITS.get(rest, rest.rstrip("s"))
    return worked, value, unit


def proper(g):
    whole, above, below = map(int, g)
    return whole + Fraction(above, below) if 0 < above < below else None


def over(above, below):
    if below == 0:
        return None
    q = Fraction(above, below)
    return ("unreduced", q) if q.denominator == 1 else q


def root(factor, of):
    square = factor * factor * of
    r = int(of ** 0.5 + 0.5)
    return ("unreduced", Fraction(factor * r)) if r * r == of else (1, Fraction(square))


def arithmetic(text):
    text = text.replace("\\times", "*").replace(" ", "")
    if not re.fullmatch(r"\d+(?:[-+*/]\d+)+", text):
        return None
    total, product, op, sum_sign = Fraction(0), Fraction(1), "*", 1
    for token in re.findall(r"\d+|[-+*/]", text):
        if token in "+-":
            total, product, op, sum_sign = total + sum_sign * product, Fraction(1), "*", 1 if token == "+" else -1
        elif token in "*/":
            op = token
        elif op == "*":
            product *= int(token)
        elif int(token) == 0:
            return None
        else:
            product /= int(token)
    return total + sum_sign * product


def split_list(text):
    """At commas, 'or' and 'and' outside of brackets; commas between groups of digits stay."""
    parts, depth, at, i = [], 0, 0, 0
    while i < len(text):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
        elif depth == 0:
            joint = re.match(r"(?:, ?)?\b(?:or|and)\b|[;,]", text[i:])
            grouped = text[i] == "," and re.match(r",\d{3}(?!\d)", text[i:]) and re.search(r"(?<![\d,])\d{1,3}(?:,\d{3})*$", text[:i])
            if joint and not grouped and joint.group():
                parts.append(text[at:i])
                i += joint.end()
                at = i
                continue
        i += 1
    return [p.strip() for p in parts + [text[at:]] if p.strip()]


def answer_of(text):
    """(kind, content)"""
    text = simplify(text)
    if not text:
        return ("nothing", None)
    m = re.fullmatch(r"(\\{|\(|\[)(.*)(\\}|\)|\])", text)
    if m and "," in m.group(2) and not re.search(r"[()\[\]{}]", m.group(2).replace("\\frac{", "").replace("}", "").replace("{", "")):
        inside = [answer_of(p) for p in re.split(r",", m.group(2))]
        return ("set", inside) if m.group(1) == "\\{" else ("tuple" + m.group(1) + m.group(3), inside)
    parts = split_list(text)
    if len(parts) > 1:
        return ("list", [answer_of(p) for p in parts])
    value = value_of(text)
    if value:
        return ("number", value)
    return ("words", re.sub(r" ?([^\w ]) ?", r"\1", text.lower()).strip("()"))


def equal(a, b):
    """0 no, 1 lenient, 2 strict"""
    (ka, va), (kb, vb) = a, b
    if "nothing" in (ka, kb):
        return 0
    if ka == kb == "number":
        if va[1] != vb[1] or (va[2] and vb[2] and va[2] != vb[2] and (va[2] in UNITS.values() or vb[2] in UNITS.values() or "€" in (va[2], vb[2]))):
            return 0
        return 2 if (va[0] or not vb[0]) and not (va[2] and vb[2] and va[2] != vb[2]) else 1
    if ka == kb == "words":
        return 2 if va == vb else 0
    if {ka, kb} <= {"list", "set"}:
        if ka == kb == "list" and len(va) != len(vb):
            return 0
        return 2 if all(any(equal(x, y) == 2 for y in vb) for x in va) and all(any(equal(x, y) == 2 for x in va) for y in vb) else 0
    if ka == kb and ka.startswith("tuple"):
        return min(equal(x, y) for x, y in zip(va, vb)) if len(va) == len(vb) else 0
    if {ka, kb} == {"list", "tuple()"} or {ka, kb} == {"list", "tuple" + "("  + ")"}:
        return 1 if len(va) == len(vb) and all(equal(x, y) for x, y in zip(va, vb)) else 0
    return 0


def rest_of(prompt, response):
    begun = prompt.rstrip().endswith("<think>")
    if not begun and "<think>" not in response and "</think>" not in response:
        return response
    if "</think>" not in response:
        return None
    return response.rsplit("</think>", 1)[1].split("<think>")[0]


def boxes(text):
    found, i = [], 0
    while (i := text.find("\\boxed{", i)) >= 0:
        depth, j = 1, i + 7
        while j < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[j], 0) if text[j - 1] != "\\" else 0
            j += 1
        if depth == 0:
            found.append((i, j, text[i + 7:j - 1]))
            i = j
        else:
            i += 7
    return found


def marked(text):
    """(0 none, 1 careless, 2 exact, -1 hedge; the answer)"""
    opens, closes = text.count("<answer>"), text.count("</answer>")
    if opens == 0:
        return in_box(text)
    blocks = [b.split("</answer>")[0] for b in text.split("<answer>")[1:]]
    if len({b.strip() for b in blocks}) > 1:
        return -1, ""
    mark = 2 if opens == closes == 1 and text.index("<answer>") < text.index("</answer>") else 1
    inner = in_box(blocks[0])
    return (min(mark, inner[0]), inner[1]) if inner[0] else (mark, blocks[0])


def in_box(text):
    found = boxes(text)
    if not found:
        return 0, ""
    run = [found[-1]]
    for box in reversed(found[:-1]):
        if not re.fullmatch(r"[\s$,;]*(?:or|and)?[\s$,;]*", text[box[1]:run[0][0]]):
            break
        run.insert(0, box)
    if len({b[2].strip() for b in run}) == 1:
        return (1 if len(run) > 1 else 2), run[0][2]
    return 2, ", ".join(b[2] for b in run)


def grade_math(prompt, response, answer):
    right = str(answer).split("####")[-1]
    if boxes(right):
        right = in_box(right)[1]
    text = rest_of(prompt, response)
    if text is None:
        return 0, 0
    mark, found = marked(text)
    if mark < 0:
        return 0, 0
    if mark == 0:
        return 0, int("\\boxed" not in text and unmarked(text.strip(), right))
    e = equal(answer_of(found), answer_of(right))
    if e:
        return int(e == 2 and mark == 2), 1
    return 0, int(prose(found, right))


def prose(text, right):
    """One number among words."""
    text = text.replace("−", "-").replace("\\%", "%")
    text = re.sub(r"\$([^$]+)\$", r"\1", text)
    number = r"-?\$?" + NUMBER + r"(?:,\d+)*(?:/\d+)?%?"  # 22,27 is one list
    numbers, around = re.findall(number, text), re.sub(number, "", text)
    if len(numbers) != 1 or re.search(r"[^A-Za-z\s.,:'!*$]", around) or re.search(r"\b(not|or|half|million|thousand|minus)\b", around):
        return False
    if re.fullmatch(r"\s*", around):
        return False
    return bool(equal(answer_of(numbers[0]), answer_of(right)))


def unmarked(text, right):
    text = text.replace("−", "-").replace("\\%", "%")
    if equal(answer_of(text), answer_of(right)):
        return True
    if "####" in text:
        line = text.split("####")[-1].strip().split("\n")[0]
        return bool(equal(answer_of(line), answer_of(right))) or prose(line, right)
    m = list(re.finditer(r"nswer is:? ?|nswer: ?|答案是", text))
    if m:
        line = text[m[-1].end():].split("\n")[0]
        for sentence in (line, re.split(r"\. |。| because ", line)[0]):
            if equal(answer_of(sentence), answer_of(right)) or prose(sentence, right):
                return True
    numbers = list(re.finditer(r"(?<![-\w)\d])-?\$?" + NUMBER + r"(?:,\d+)*(?:/\d+)?%?|\$?" + NUMBER + r"(?:,\d+)*(?:/\d+)?%?", text))
    if not numbers:
        return False
    last = numbers[-1]
    before = text[:last.start()]
    if re.search(r"\d[%$]?(?: ?(?:,|or|and|/|;|maybe|perhaps))* ?[*$]*$", before) or re.search(r"(?:[+/^({[√×]|(?<!\*)\*) ?\$?$", before):
        return False
    if re.match(r"[\w^!*/+]", text[last.end():]) and not text[last.end():].startswith("**"):
        return False
    return bool(equal(answer_of(last.group()), answer_of(right)))


# ---- countdown and format --------------------------------------------------------------------------------------------

def expression(text, numbers):
    tokens = re.findall(r"\d+|\S", text)
    pool, at = list(numbers), 0

    def take():
        nonlocal at
        at += 1
        return tokens[at - 1] if at <= len(tokens) else None

    def peek():
        return tokens[at] if at < len(tokens) else None

    def operand():
        t = take()
        if t == "(":
            v = total()
            if v is None or take() != ")":
                return None
            return v
        if t is None or not re.fullmatch(r"0|[1-9]\d*", t) or int(t) not in pool:
            return None
        pool.remove(int(t))
        return Fraction(int(t))

    def product():
        v = operand()
        while v is not None and peek() in ("*", "/"):
            op, w = take(), operand()
            v = None if w is None or (op == "/" and w == 0) else v * w if op == "*" else v / w
        return v

    def total():
        v = product()
        while v is not None and peek() in ("+", "-"):
            op, w = take(), product()
            v = None if w is None else v + w if op == "+" else v - w
        return v

    v = total()
    return v if at == len(tokens) and not pool else None


def grade_countdown(prompt, response, numbers, target):
    text = rest_of(prompt, response)
    if text is None:
        return 0, 0
    mark, found = marked(text)
    if mark < 0:
        return 0, 0
    if mark == 0:
        line = text.strip().split("\n")[-1]
        mark, found = 1, re.split(r"####|is|:|answer", line)[-1]
    hidden = "\u200b" in found
    plain = found.replace("\u200b", "")
    for old, new in [("−", "-"), ("×", "*"), ("\\times", "*"), ("\\cdot", "*"), ("÷", "/"), ("\\div", "/"), ("$", "")]:
        plain = plain.replace(old, new)

    def right(text, lenient):
        sides = text.split("=")
        if len(sides) > 2:
            return False
        if len(sides) == 2:
            left, side = sides[0].strip(), sides[1].strip()
            if lenient and left == str(target) and side != str(target):
                left, side = side, left
            if side != str(target):
                return False
        else:
            left = sides[0].strip()
        return expression(left, numbers) == target

    if mark == 2 and not hidden and right(plain.strip(), False):
        return 1, 1
    return 0, int(right(re.sub(r"(?<=[\d) ])[xX](?=[\d( ])", "*", plain).strip().rstrip("."), True))


def grade_format(prompt, response):
    begun = prompt.rstrip().endswith("<think>")
    repeated = begun and response.strip().startswith("<think>")
    tags = ["</think>", "<answer>", "</answer>"] + ([] if begun and not repeated else ["<think>"])
    if any(response.count(t) != 1 for t in tags) or (begun and not repeated and "<think>" in response):
        return 0, 0
    whole = response if not begun or repeated else "<think>" + response
    m = re.fullmatch(r"(.*)<think>(.*)</think>(.*)<answer>(.*)</answer>(.*)", whole, re.S)
    if not m or not m.group(4).strip():
        return 0, 0
    outside = m.group(1) + m.group(3) + m.group(5)
    return int(not outside.strip() and bool(m.group(2).strip()) and not repeated), 1


# ---- responses -------------------------------------------------------------------------------------------------------

def spell(r, q):
    """One way to write a fraction."""
    sign, a = ("-" if q < 0 else ""), abs(q)
    minus = r.choice(["-", "−"]) if sign else ""
    forms = []
    if a.denominator == 1:
        n = a.numerator
        forms = [f"{n}", f"{n}.0", f"{n}.", f"0{n}", f"{n:,}", f"${n}$", f"\\text{{{n}}}", f"{n} apples", f"{n} km", f"x = {minus}{n}", f"**{n}**"]
        if sign:
            forms = forms[:5] + [f"{n} apples"]
    else:
        forms = [f"{a.numerator}/{a.denominator}", f"\\frac{{{a.numerator}}}{{{a.denominator}}}", f"\\dfrac{{{2 * a.numerator}}}{{{2 * a.denominator}}}"]
        if a > 1:
            w, rest = divmod(a.numerator, a.denominator)
            forms += [f"{w} {rest}/{a.denominator}", f"{w}\\frac{{{rest}}}{{{a.denominator}}}"]
        if 1000 % a.denominator == 0:
            d = f"{a.numerator * 1000 // a.denominator / 1000}"
            forms += [d, d + "0", f"{float(a * 100):.10g}%", f"{float(a * 100):.10g}\\%"]
    form = r.choice(forms)
    return form if form.startswith("x") or form.startswith("**") else minus + form


def wrong(r, q):
    return r.choice([q + 1, q - 1, -q, q * 10, q / 2, q + Fraction(1, 1000)])


MATH_FRAMES = ["\\boxed{@}", "So the total is \\boxed{@}.", "<answer>@</answer>", "<think>hm</think><answer> @ </answer>", "<think>hm</think>\n\\boxed{@}",
               "<answer>\\boxed{@}</answer>", "\\boxed{1}. But no.\n\\boxed{@}", "<answer>@", "#### @", "The answer is @.", "The answer is: @", "we get @",
               "<answer>@</answer><answer>@</answer>", "<think>\\boxed{@}</think>", "<think>\\boxed{@}", "<answer>@</answer><answer>#</answer>",
               "\\boxed{@} or \\boxed{#}", "\\boxed{@ or #}", "\\boxed{#, @}", "<answer>@ and #</answer>", "The answer is # or @", "# and @",
               "<answer>The answer is @</answer>", "<think><answer>@</answer></think> no idea", "\\boxed{}", "", "\\boxed{@", "<answer>@ apples</answer>",
               "\\boxed{not @}", "\\boxed{@ + 0}", "\\boxed{@ \\times 1}", "\\boxed{1 + # = @}", "</think><answer>@</answer>", "@", "it lies in 3-@"]


def generate(n, seed, folder):
    r = random.Random(seed)
    lines = {"math": [], "countdown": [], "format": []}
    for _ in range(n // 2):
        q = Fraction(r.choice([1, 1, -1]) * r.randint(1, r.choice([20, 5000, 2000000])), r.choice([1, 1, 1, 2, 3, 4, 7, 8, 100]))
        right = spell(r, q) if r.random() < 0.3 else str(q)
        kind = r.random()
        if kind < 0.1:  # roots
            a, b = r.randint(2, 9), r.choice([2, 3, 5, 7])
            right, given = f"{a}\\sqrt{{{b}}}", r.choice([f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b}}}", f"{b}\\sqrt{{{a}}}", f"{a}√{b}", f"{a * b}", f"\\sqrt{{{a * a * b + 1}}}"])
        elif kind < 0.2:  # several
            items = r.sample(range(1, 40), r.randint(2, 4))
            shown = items[:] if r.random() < 0.6 else items[:-1] + [items[-1] + 1]
            if r.random() < 0.5:
                r.shuffle(shown)
            join = r.choice([", ", ","])
            style = r.choice(["@", "\\{@\\}", "(@)", "[@]"])
            right, given = r.choice([style, "@"]).replace("@", ", ".join(map(str, items))), style.replace("@", join.join(map(str, shown)))
        elif kind < 0.25:
            right, given = r.choice([("yes", "Yes"), ("no", "yes"), ("Monday", "monday"), ("B", "(B)"), ("B", "C")])
        else:
            given = spell(r, q if r.random() < 0.7 else wrong(r, q))
        frame = r.choice(MATH_FRAMES[:8] if r.random() < 0.5 else MATH_FRAMES)
        text = frame.replace("@", given).replace("#", str(r.randint(1, 99)))
        lines["math"].append({"prompt": r.choice(["Q", "Q <think>\n"]) if "</think>" in frame and "<think>" not in frame else "Q", "response": text, "answer": right})
    for _ in range(n // 3):
        numbers = [r.randint(1, 25) for _ in range(r.randint(2, 5))]
        order = r.sample(numbers, len(numbers))
        text, value = str(order[0]), Fraction(order[0])
        for k in order[1:]:
            op = r.choice("+-*/")
            text, value = (f"({text}) {op} {k}" if r.random() < 0.8 or op in "*/" else f"{text} {op} {k}"), {"+": value + k, "-": value - k, "*": value * k, "/": value / k}[op]
        target = value.numerator if value.denominator == 1 and r.random() < 0.85 else r.randint(1, 100)
        change = r.random()
        if change < 0.06:
            text += f" + {r.choice(numbers)}"
        elif change < 0.1:
            text = text.replace(str(numbers[0]), str(numbers[0] + 1), 1)
        elif change < 0.13:
            text = text.replace(" ", "")
        elif change < 0.16:
            text = text.replace("*", r.choice(["×", "\\times", "x", "**", "\\cdot "]))
        elif change < 0.19:
            text = text.replace("/", r.choice(["÷", "//", "\\div "]))
        elif change < 0.22:
            text = text.replace("-", "−")
        elif change < 0.25:
            text = "-" + text
        elif change < 0.28:
            text = str(target)
        elif change < 0.31:
            text = "".join(map(str, numbers))
        elif change < 0.34:
            text += r.choice([" ^ 1", "!", " * 1", ".", " %", "\u200b", ")"])
        end = r.choice(["", "", "", f" = {target}", f" = {target + 1}", f" = {target} = {target}", "\n"])
        text = f"{target} = {text}" if r.random() < 0.05 else text + end
        frame = r.choice(["<answer>@</answer>"] * 4 + ["<think>hm</think>\n<answer> @ </answer>", "\\boxed{@}", "<answer>@", "<think><answer>@</answer></think>", "The answer is @",
                          "<answer>1</answer><answer>@</answer>", "<answer>@</answer> <answer>@</answer>", "<think>@", "we try\n@", "<answer></answer>"])
        lines["countdown"].append({"prompt": "Q", "response": frame.replace("@", text), "numbers": numbers, "target": target})
    pieces = ["<think>", "a", "</think>", "<answer>", "b", "</answer>"]
    for _ in range(n - n // 2 - n // 3):
        p = pieces[:]
        begun = r.random() < 0.3
        if begun and r.random() < 0.8:
            p = p[1:]
        for _ in range(r.choice([0, 0, 1, 1, 2])):
            i, what = r.randrange(len(p)), r.random()
            if what < 0.4:
                del p[i]
            elif what < 0.7:
                p.insert(i, r.choice(pieces + [" ", "\n"]))
            else:
                j = r.randrange(len(p))
                p[i], p[j] = p[j], p[i]
            p = p or ["a"]
        lines["format"].append({"prompt": "Q\n<think>\n" if begun else "Q", "response": r.choice(["", " ", "\n"]).join(p)})
    for kind, all_lines in lines.items():
        with open(f"{folder}/{kind}.jsonl", "w", encoding="utf-8") as f:
            f.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in all_lines)


def check(kind, path):
    same = right = 0
    with open(path, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    for line in lines:
        prompt, response = line["prompt"], line["response"]
        if kind == "math":
            ours = grade_math(prompt, response, line["answer"])
        elif kind == "countdown":
            ours = grade_countdown(prompt, response, line["numbers"], line["target"])
        else:
            ours = grade_format(prompt, response)
        theirs = (line["strict"], line["lenient"])
        same += ours == theirs
        right += theirs[0] == 1
        if ours != theirs:
            print(f"minke {theirs} ({line['reason']}), second grader {ours}: {json.dumps(line, ensure_ascii=False)}")
    print(f"{kind}: {same} of {len(lines)} agree; {right} are right strictly")
    return same == len(lines)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "generate":
        generate(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        sys.exit(0 if check(sys.argv[2], sys.argv[3]) else 1)
    else:
        sys.exit(__doc__)
