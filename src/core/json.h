// JSON for hostile input: parse_json limits nesting (a million "[" must not overflow the stack), the keys of an object
// and the total number of values. Every failure is a UserError that names `where` (usually a path) and the position.
// Include <nlohmann/json.hpp> where values are used. Tested in tests/core/json_test.cpp, fuzzed in tests/fuzz/.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace minke {

using Json = nlohmann::ordered_json;

Json parse_json(std::string_view text, std::string_view where);

// UserError if text holds a NUL. JSON has none, and the library takes the first one for the end of the text, without a
// word about what stands behind it: whatever is parsed event by event goes through this first.
void refuse_nul(std::string_view text, std::string_view where);

}  // namespace minke
