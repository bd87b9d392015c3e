#include "tokenize/normalizer.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tokenize/unicode.h"

namespace minke {

Normalizer::Normalizer(const nlohmann::json& description, std::string_view where) {
  if (!description.is_null()) add(description, where, 0);
}

void Normalizer::add(const nlohmann::json& description, std::string_view where, int depth) {
  if (!description.is_object()) user_error("{}: must be an object or null, is {}", where, description.type_name());
  const auto type = description.find("type");
  if (type == description.end() || !type->is_string()) user_error("{}.type: must be a string", where);
  const std::string name = type->get<std::string>();
  if (name == "Sequence") {
    const auto parts = description.find("normalizers");
    if (parts == description.end() || !parts->is_array()) user_error("{}.normalizers: must be a list", where);
    if (depth > 8 || parts->size() > 64) user_error("{}.normalizers: too many or too deeply nested", where);
    for (size_t i = 0; i < parts->size(); ++i) add((*parts)[i], fmt::format("{}.normalizers[{}]", where, i), depth + 1);
    return;
  }
  if (name == "NFC") forms_.push_back(Form::kNfc);
  else if (name == "NFD") forms_.push_back(Form::kNfd);
  else if (name == "NFKC") forms_.push_back(Form::kNfkc);
  else if (name == "NFKD") forms_.push_back(Form::kNfkd);
  else user_error("{}.type: \"{}\" is not supported; known are NFC, NFD, NFKC, NFKD and Sequence", where, name);
}

std::string Normalizer::name() const {
  std::string out;
  for (Form form : forms_) {
    constexpr const char* kNames[] = {"NFC", "NFD", "NFKC", "NFKD"};
    out += (out.empty() ? "" : ", ") + std::string(kNames[int(form)]);
  }
  return out;
}

namespace {

// The library's tables are those of Unicode 9: what came later it leaves alone, where ICU would compose, decompose or
// reorder it.
const icu::UnicodeSet& known_characters() {
  static const icu::UnicodeSet set = [] {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeSet made(icu::UnicodeString(u"[:age=9.0:]"), status);
    check(U_SUCCESS(status), "ICU has the ages of characters");
    made.freeze();
    return made;
  }();
  return set;
}

}  // namespace

std::string Normalizer::apply(Form form, std::string_view valid) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* all = nullptr;
  switch (form) {
    case Form::kNfc: all = icu::Normalizer2::getNFCInstance(status); break;
    case Form::kNfd: all = icu::Normalizer2::getNFDInstance(status); break;
    case Form::kNfkc: all = icu::Normalizer2::getNFKCInstance(status); break;
    case Form::kNfkd: all = icu::Normalizer2::getNFKDInstance(status); break;
  }
  check(U_SUCCESS(status), "ICU has its normalisation data");
  const icu::FilteredNormalizer2 n(*all, known_characters());
  std::string out;
  icu::StringByteSink<std::string> sink(&out, int32_t(valid.size()));
  n.normalizeUTF8(0, icu::StringPiece(valid.data(), int32_t(valid.size())), sink, nullptr, status);
  check(U_SUCCESS(status), "ICU normalises valid UTF-8");
  return out;
}

std::string_view Normalizer::apply(std::string_view text, std::string& storage) const {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x80; });
  if (forms_.empty() || ascii) return text;  // every form leaves ASCII alone
  // ICU counts in int32: long text is taken in parts that end at a line break, which no form composes with anything.
  constexpr size_t kPart = 1 << 28;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const unicode::CodePoint c = unicode::decode_at(text, at);
    if (!c.valid) {
      out += text[at++];
      continue;
    }
    size_t end = at;
    while (end < text.size()) {
      const unicode::CodePoint next = unicode::decode_at(text, end);
      if (!next.valid) break;
      end += next.length;
      if (end - at > kPart && next.value == '\n') break;
      if (end - at > 4 * kPart) break;
    }
    std::string part(text.substr(at, end - at));
    for (Form form : forms_) part = apply(form, part);
    out += part;
    at = end;
  }
  storage = std::move(out);
  return storage;
}

}  // namespace minke
