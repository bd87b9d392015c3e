#include "core/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"

namespace minke {
namespace {

std::string message_of(const std::string& text) {
  try {
    parse_json(text, "x.json");
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Json, KeepsTheOrderOfFields) {
  EXPECT_EQ(parse_json(R"({"b": 1, "a": [2, "x"]})", "x").dump(), R"({"b":1,"a":[2,"x"]})");
}

TEST(Json, NestingIsBounded) {
  EXPECT_EQ(message_of(std::string(256, '[') + std::string(256, ']')), "no error");
  EXPECT_NE(message_of(std::string(257, '[') + std::string(257, ']')).find("nested deeper than 256"),
            std::string::npos);
  EXPECT_NE(message_of(std::string(1'000'000, '[')).find("nested"), std::string::npos);
  std::string objects;
  for (int i = 0; i < 300; ++i) objects += "{\"a\":";
  EXPECT_NE(message_of(objects).find("nested"), std::string::npos);
  // Brackets inside strings are text, after escaped quotes too.
  EXPECT_EQ(message_of("\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\""), "no error");
}

// Ordered objects are quadratic in their keys: a megabyte of them must not cost a minute.
TEST(Json, KeysOfAnObjectAreBounded) {
  std::string text = "{";
  for (int i = 0; i < 30000; ++i) text += fmt::format("{}\"k{}\":0", i ? "," : "", i);
  EXPECT_THROW(parse_json(text + "}", "keys.json"), UserError);
  std::string list = "[";  // many small objects are no such thing, nor are colons in strings
  for (int i = 0; i < 30000; ++i) list += fmt::format("{}{{\"k\":\":::\"}}", i ? "," : "");
  EXPECT_EQ(parse_json(list + "]", "list.json").size(), 30000u);
}

TEST(Json, ValuesAreBounded) {
  std::string text = "[0";  // two bytes a value here, more than 16 in memory
  for (int i = 0; i < 2'000'000; ++i) text += ",0";
  EXPECT_NE(message_of(text + "]").find("more than 1048576 values"), std::string::npos);
  EXPECT_EQ(message_of("\"" + std::string(2'000'000, ',') + "\""), "no error");
}

// The library takes a NUL for the end of the text, and says nothing about what stands behind it.
TEST(Json, ANulIsNoEnd) {
  for (std::string text : {std::string("{\"a\":1}\0{\"b\":2}", 15), std::string("[1]\0", 4), std::string("\0", 1),
                           std::string("[1,\0 2]", 7), std::string("\"a\0b\"", 5)})
    EXPECT_NE(message_of(text).find("is a NUL"), std::string::npos) << message_of(text);
  EXPECT_EQ(message_of("\"a\\u0000b\""), "no error");
}

TEST(Json, MessagesAreShort) {
  EXPECT_LT(message_of("[\"" + std::string(1'000'000, 'a')).size(), 300u);
  EXPECT_LT(message_of(std::string(1'000'000, '1') + "x").size(), 300u);
}

TEST(Json, EveryFailureNamesTheFile) {
  for (const char* text : {"", "{", "{\"a\"", "[1,]", "nul", "1e999", "\"\xff\"", "{\"a\":1}x", "]"}) {
    const std::string message = message_of(text);
    EXPECT_EQ(message.find("x.json: "), 0u) << text << ": " << message;
    EXPECT_EQ(message.find("json.exception"), message.npos) << message;
  }
}

}  // namespace
}  // namespace minke
