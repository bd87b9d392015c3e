// A tiny model with a tokenizer of letters and a template that is easy to read.
#pragma once
#include "chat/session.h"
#include "kernels/cpu/backend.h"
#include "support/random.h"
#include "support/tiny.h"
#include "tokenize/train.h"

namespace minke::test {

inline Tokenizer chat_tokenizer() {
  static const std::string_view text[] = {"abc"};
  return train_bpe(text, {.vocab_size = 300, .special_tokens = {"<bos>", "<eos>", "<think>", "</think>"}});
}

// "<bos>s:…|u:…|a:…|" and "a:" for the answer, with "<think>\n" where the template is told to think.
constexpr const char* kChatTemplate =
    "{{ bos_token }}{% for m in messages %}{{ m.role[0] }}:{{ m.content.split('</think>')[-1] }}|{% endfor %}"
    "{% if add_generation_prompt %}a:{% if thinking %}<think>\n{% endif %}{% endif %}";

struct ChatFixture {
  TestContext ctx{cpu_backend()};
  ModelSource source;
  Model model;
  Engine engine;

  explicit ChatFixture(int64_t context = 64, const char* chat_template = kChatTemplate)
      : source(source_of(chat_template)),
        model(ctx, source.files.config, Precision::f32(), context),
        engine(ctx, model, {.max_context = context, .page = 4}) {
    model.weights().initialise(ctx, 0.3);
  }
  static ModelSource source_of(const char* chat_template) {
    ModelSource s{"tiny", {}, chat_tokenizer(), {}, {}, {}, {1}};
    s.files.config = tiny_v3();
    s.files.config.vocab_size = s.tokenizer.vocab_size();
    if (chat_template)
      s.chat_template = ChatTemplate({{"default", chat_template}}, "test", Json{{"bos_token", "<bos>"}});
    return s;
  }
  // Answers that consist of these characters only.
  ChatSettings only(std::string_view text, int64_t max_new) const {
    ChatSettings s{.max_new = max_new};
    for (const int32_t id : source.tokenizer.encode(text)) s.sampling.logit_bias.emplace_back(id, 100);
    return s;
  }
};

}  // namespace minke::test
