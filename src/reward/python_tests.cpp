#include "reward/python_tests.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "sandbox/programs.h"

namespace minke {
namespace {

// Values as bytes: a letter for the type, then a length or a number. Both sides have it. Numbers in base 16, which Python reads at any
// length; nesting and size are limited, because the tests' side reads what the program has written.
constexpr const char* kCodec = R"python(
import os, sys
MOST_BYTES, MOST_DEPTH, MOST_ITEMS = 1 << 24, 100, 1000000
class Opaque:
    """A value of a type that cannot be sent. It equals nothing, itself included."""
    def __init__(self, kind): self.kind = kind
    def __eq__(self, other): return False
    def __ne__(self, other): return True
    def __bool__(self): raise TypeError('the function returned a ' + self.kind + ', which the tests cannot see')
    __hash__ = None
def encode(x, out, depth=0):
    if depth > MOST_DEPTH: raise ValueError('values nested deeper than %d' % MOST_DEPTH)
    if x is None: out.append(b'n')
    elif x is True: out.append(b't')
    elif x is False: out.append(b'f')
    elif isinstance(x, int): out.append(b'i%x;' % x)
    elif isinstance(x, float): out.append(b'r%s;' % float.hex(x).encode())
    elif isinstance(x, complex): out.append(b'c%s;%s;' % (x.real.hex().encode(), x.imag.hex().encode()))
    elif isinstance(x, str):
        b = str.encode(x, 'utf-8', 'surrogatepass')
        out.append(b's%x;' % len(b)); out.append(b)
    elif isinstance(x, (bytes, bytearray)):
        out.append((b'b' if isinstance(x, bytes) else b'a') + b'%x;' % len(x)); out.append(bytes(x))
    elif isinstance(x, (list, tuple, set, frozenset)):
        kind = b'l' if isinstance(x, list) else b'u' if isinstance(x, tuple) else b'S' if isinstance(x, set) else b'Z'
        items = list(x)
        out.append(kind + b'%x;' % len(items))
        for item in items: encode(item, out, depth + 1)
    elif isinstance(x, dict):
        items = list(x.items())
        out.append(b'd%x;' % len(items))
        for key, value in items: encode(key, out, depth + 1); encode(value, out, depth + 1)
    elif isinstance(x, range):
        out.append(b'R'); encode((x.start, x.stop, x.step), out, depth + 1)
    elif hasattr(x, '__next__'):
        items = []
        for item in x:
            items.append(item)
            if len(items) > MOST_ITEMS: raise ValueError('an iterator that does not end')
        out.append(b'I'); encode(items, out, depth + 1)
    else: out.append(b'o'); encode(type(x).__name__, out, depth + 1)
class Reader:
    def __init__(self, data): self.data, self.at = data, 0
    def to_semicolon(self):
        end = self.data.index(b';', self.at)
        text = self.data[self.at:end].decode('ascii')
        self.at = end + 1
        return text
    def take(self, n):
        if n < 0 or n > len(self.data) - self.at: raise ValueError('cut short')
        self.at += n
        return self.data[self.at - n:self.at]
    def value(self, depth=0):
        if depth > MOST_DEPTH + 2: raise ValueError('nested too deep')
        kind = self.take(1)
        if kind == b'n': return None
        if kind == b't': return True
        if kind == b'f': return False
        if kind == b'i': return int(self.to_semicolon(), 16)
        if kind == b'r': return float.fromhex(self.to_semicolon())
        if kind == b'c': return complex(float.fromhex(self.to_semicolon()), float.fromhex(self.to_semicolon()))
        if kind == b's': return self.take(int(self.to_semicolon(), 16)).decode('utf-8', 'surrogatepass')
        if kind == b'b': return self.take(int(self.to_semicolon(), 16))
        if kind == b'a': return bytearray(self.take(int(self.to_semicolon(), 16)))
        if kind in b'luSZ':
            n = int(self.to_semicolon(), 16)
            if n > len(self.data) - self.at: raise ValueError('cut short')
            items = [self.value(depth + 1) for _ in range(n)]
            return items if kind == b'l' else tuple(items) if kind == b'u' else set(items) if kind == b'S' else frozenset(items)
        if kind == b'd':
            n = int(self.to_semicolon(), 16)
            if n > len(self.data) - self.at: raise ValueError('cut short')
            result = {}
            for _ in range(n):
                key = self.value(depth + 1)
                result[key] = self.value(depth + 1)
            return result
        if kind == b'R': return range(*self.value(depth + 1))
        if kind == b'I': return iter(self.value(depth + 1))
        if kind == b'o': return Opaque(str(self.value(depth + 1))[:50])
        raise ValueError('unknown kind of value')
def send(fd, x):
    out = []
    encode(x, out)
    data = b''.join(out)
    if len(data) > MOST_BYTES: raise ValueError('a value of %d bytes' % len(data))
    data = b'%08x' % len(data) + data
    while data: data = data[os.write(fd, data):]
def read_exactly(fd, n):
    parts = []
    while n > 0:
        part = os.read(fd, min(n, 1 << 20))
        if not part: raise EOFError
        parts.append(part); n -= len(part)
    return b''.join(parts)
def receive(fd):
    n = int(read_exactly(fd, 8), 16)
    if not 0 <= n <= MOST_BYTES: raise ValueError('a value of %d bytes' % n)
    reader = Reader(read_exactly(fd, n))
    value = reader.value()
    if reader.at != n: raise ValueError('more than one value')
    return value
# The streams of the process carry values: what the program or the tests print goes nowhere.
requests_or_replies, to_other = os.dup(0), os.dup(1)
nowhere = os.open('/dev/null', os.O_RDWR)
os.dup2(nowhere, 0); os.dup2(nowhere, 1)
)python";

constexpr const char* kProgramSide = R"python(
import builtins
builtins.exit = builtins.quit = sys.exit  # of the console's start, which is left out here
def run():
    names = {'__name__': 'solution', '__builtins__': builtins}
    try: exec(compile(open('solution.py', 'rb').read(), 'solution.py', 'exec'), names)
    except BaseException as e:
        send(to_other, ('failed', type(e).__name__, str(e)[:300]))
        os._exit(1)
    send(to_other, ('ready',))
    while True:
        try: name, arguments, named = receive(requests_or_replies)
        except EOFError: os._exit(0)
        try:
            result = names[name](*arguments, **named)
            # Arguments that can change go back, too.
            send(to_other, ('returned', result, [a if isinstance(a, (list, dict, set, bytearray)) else None for a in arguments]))
        except BaseException as e: send(to_other, ('raised', type(e).__name__, str(e)[:300]))
run()
)python";

// Prints why on standard error and ends with 1, or with 0 after the last test.
constexpr const char* kTestSide = R"python(
import builtins
def end(code, reason):
    os.write(2, ('\n' + reason[:600].replace('\n', ' ') + '\n').encode('utf-8', 'replace'))
    os._exit(code)
def hear():
    try: return receive(requests_or_replies)
    except EOFError: end(1, 'the program ended before the tests were over')
    except BaseException as e: end(1, 'the program sent what is no value: ' + str(e))
def proxy(name):
    def call(*arguments, **named):
        send(to_other, (name, arguments, named))
        answer = hear()
        if type(answer) is not tuple or len(answer) != 3: end(1, 'the program sent what is no answer')
        if answer[0] == 'returned':
            for mine, theirs in zip(arguments, answer[2] if type(answer[2]) is list else []):
                if type(mine) is not type(theirs): continue
                if isinstance(mine, (list, bytearray)): mine[:] = theirs
                elif isinstance(mine, (dict, set)): mine.clear(); mine.update(theirs)
            return answer[1]
        kind = getattr(builtins, str(answer[1]), None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)): kind = RuntimeError
        try: error = kind(str(answer[2]))
        except Exception: error = RuntimeError(str(answer[2]))
        raise error
    call.__name__ = name
    return call
def where(error, source):
    line = None
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == 'test.py': line = trace.tb_lineno
        trace = trace.tb_next
    lines = source.splitlines()
    return ' at: ' + lines[line - 1].strip()[:200] if line and line <= len(lines) else ''
def run():
    first = hear()
    if type(first) is not tuple or first != ('ready',):
        end(1, 'the program fails: ' + ': '.join(str(x) for x in first[1:3]) if type(first) is tuple else 'no program')
    names = {'__name__': 'tests', '__builtins__': builtins}
    exec(compile(open('helpers.py', 'rb').read(), 'helpers.py', 'exec'), names)
    entry_points = open('entry_points').read().split()
    for name in entry_points: names[name] = proxy(name)
    source = open('test.py', encoding='utf-8').read()
    code = compile(source, 'test.py', 'exec')
    names.pop('check', None) if 'check' not in entry_points else None
    try:
        exec(code, names)
        if 'check' in names and 'check' not in entry_points: names['check'](names[entry_points[0]])
    except BaseException as e:
        end(1, type(e).__name__ + (': ' + str(e) if str(e) else '') + where(e, source))
    end(0, 'all tests pass')
run()
)python";

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

}  // namespace

TestOutcome run_python_tests(const Sandbox& sandbox, const std::string& program, const std::string& helpers,
                             const std::string& test, const std::vector<std::string>& entry_points,
                             const SandboxLimits& limits) {
  std::string names;
  for (const std::string& name : entry_points) names += name + "\n";
  const SandboxJob program_side{.files = {{"main.py", std::string(kCodec) + kProgramSide}, {"solution.py", program}},
                                .command = python_command("main.py"),
                                .limits = limits};
  SandboxJob test_side{.files = {{"main.py", std::string(kCodec) + kTestSide},
                                 {"helpers.py", helpers},
                                 {"test.py", test},
                                 {"entry_points", names}},
                       .command = python_command("main.py"),
                       .limits = limits};
  test_side.limits.wall_seconds += 1;  // so that it is still there to say what the program did
  const auto [of_program, of_test] = sandbox.run_linked(program_side, test_side);
  if (of_test.succeeded()) return {true, "all tests pass"};
  if (of_program.end != SandboxEnd::exited) return {false, "the program " + describe(of_program)};
  if (of_test.end != SandboxEnd::exited) return {false, "the tests: " + describe(of_test)};
  return {false, printable(last_line(of_test.errors))};
}

}  // namespace minke
