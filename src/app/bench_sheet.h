// What a benchmark shows: lines for people, and for each of them the same as fields of one JSON document.
// Test: tests/app/bench_test.sh.
#pragma once
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/json.h"

namespace minke {

class Sheet {
 public:
  // Prints "label   text" at once; the fields join those of the document.
  void line(std::string_view label, std::string_view text, const Json& fields);
  // Prints a row of a table; the fields become one more element of the document's list.
  void row(const char* list, std::string_view text, const Json& fields);
  // The document as a file; "" writes none.
  void save(const std::string& path) const;

 private:
  Json document_ = Json::object();
};

}  // namespace minke
