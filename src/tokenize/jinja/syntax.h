// A template's tokens and its tree. Tested in tests/tokenize/jinja_test.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenize/jinja/value.h"

namespace minke::jinja {

struct Token {
  enum class Kind : uint8_t {
    text,
    print,
    block,
    name,
    string,
    integer,
    real,
    symbol,
    end
  };  // print: "{{", block: "{%"
  Kind kind;
  int line;
  std::string text;  // of a string without its quotes and escapes
};

struct Node {
  enum class Op : uint8_t {
    // statements
    text,       // name
    print,      // 0
    set,        // 0: target, 1: value
    set_block,  // 0: target, 1: body
    branches,   // condition, body, condition, body …, and perhaps the body of the else
    body,
    loop,   // 0: target, 1: iterable, 2: body, 3: body of the else, perhaps 4: condition
    macro,  // name; its parameters are names, 0 is the body, then the defaults of the last parameters
    generation,
    stop,  // break
    skip,  // continue
    // expressions
    constant,
    string,  // name
    variable,
    tuple,
    list,
    dict,         // key, value, key, value …
    attribute,    // of 0: name
    item,         // of 0: 1
    slice,        // of 0: 1 to 3, constants `missing` where nothing is written
    call,         // of 0, with arguments
    filter,       // `name` of 0, with arguments
    test,         // the same
    unary,        // name: + - not
    binary,       // name: + - * / // % and or
    concat,       // ~
    compare,      // names: the operators between the nodes
    conditional,  // 0 if 1, else perhaps 2
  };
  Op op = Op::body;
  int line = 0, depth = 1;
  std::string name;
  std::vector<Node> nodes;
  std::vector<std::string> names;  // of arguments: "" for one by position
  Value constant;
};

// Both throw Error; `line` is then where.
std::vector<Token> tokens_of(std::string_view source, int& line);
Node parse(std::string_view source, int& line);

}  // namespace minke::jinja
