// A grammar of the JSON texts that satisfy a JSON schema, for answers that must. Every text of the grammar satisfies the schema;
// not every text that satisfies it is of the grammar: properties come in the order of the schema, of an object with named
// properties there are no others, between two tokens stands at most one line break with at most 20 blanks, numbers have at
// most 16 digits before and behind the point, and an integer no exponent.
//
// What it knows: type (one or several), enum, const, anyOf, $ref into the schema itself, $defs and definitions; of objects properties,
// required, additionalProperties; of arrays items, prefixItems, minItems, maxItems; of strings minLength, maxLength and format
// (date, time, date-time, uuid); of integers minimum, maximum, exclusiveMinimum, exclusiveMaximum. Annotations (title,
// description, default, examples …) say nothing about the text. Anything else is a UserError that names its place, since leaving
// it out would give texts that do not satisfy the schema.
// Test: tests/structured/json_schema_test.cpp.
#pragma once
#include "core/json.h"
#include "structured/json_grammar.h"

namespace minke {

Grammar json_schema_grammar(const Json& schema);
// The rule of such texts, as a part of a larger grammar.
int32_t json_schema_rule(JsonGrammar& grammar, const Json& schema);
Grammar json_object_grammar();  // any object

}  // namespace minke
