// Unicode normalisation before anything else (NFC for Qwen), by ICU; bytes that are no UTF-8 pass through.
// Tested in tests/tokenize/tokenizer_test.cpp.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace minke {

class Normalizer {
 public:
  Normalizer() = default;
  // The "normalizer" of a tokenizer.json: null, NFC, NFD, NFKC, NFKD or a Sequence of them; UserError otherwise.
  Normalizer(const nlohmann::json& description, std::string_view where);
  bool empty() const { return forms_.empty(); }
  std::string name() const;  // "NFC", "NFD, NFC", …; "" if it is empty
  // The normalised text: `text` itself, or a view into `storage`.
  std::string_view apply(std::string_view text, std::string& storage) const;

 private:
  enum class Form { kNfc, kNfd, kNfkc, kNfkd };
  void add(const nlohmann::json& description, std::string_view where, int depth);
  static std::string apply(Form form, std::string_view valid);
  std::vector<Form> forms_;
};

}  // namespace minke
