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
  // path: of the document as a file, "" for none. A UserError at once if it cannot be written there, not after all measurements.
  explicit Sheet(std::string path);
  // Prints "label   text" at once; the fields join those of the document.
  void line(std::string_view label, std::string_view text, const Json& fields);
  // Prints a row of a table; the fields become one more element of the document's list.
  void row(const char* list, std::string_view text, const Json& fields);
  void save() const;

 private:
  std::string path_;
  Json document_ = Json::object();
};

}  // namespace minke
