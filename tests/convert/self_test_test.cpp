// The self-test on faults planted into what a conversion wrote.
#include "convert/self_test.h"

#include <algorithm>

#include "convert/fixture.h"

namespace minke {
namespace {

using test::Converting;

class SelfTests : public Converting {
 protected:
  // What the self-test says of a file after `spoil` has changed the bytes of a tensor.
  template <class F> std::string spoilt(const fs::path& from, const fs::path& file, const char* tensor, F spoil) {
    std::string bytes = read_file(file);
    {
      const Gguf gguf = Gguf::open(file);
      const std::span<const std::byte> at = gguf.at(tensor).bytes;
      const size_t offset = bytes.find(std::string_view(reinterpret_cast<const char*>(at.data()), at.size()));
      EXPECT_NE(offset, bytes.npos);
      spoil(bytes.data() + offset, at.size());
    }
    const fs::path bad = file.string() + ".bad";
    write_file_atomic(bad, bytes);
    const ConvertSource a = open_source(from), b = open_source(bad);
    return message([&] { compare_weights(a, b, [](size_t) {}); });
  }
};

TEST_F(SelfTests, ARowInAnotherPlaceIsNoticed) {
  const fs::path wide = wide_model();
  for (const WeightType type : {WeightType::f32, WeightType::bf16, WeightType::q8_0, WeightType::q4_0}) {
    SCOPED_TRACE(name_of(type));
    const fs::path file = folder_ / fmt::format("{}.gguf", name_of(type));
    to(wide, file, type);
    for (const char* tensor : {"token_embd.weight", "blk.2.ffn_up_exps.weight", "blk.1.attn_output.weight"}) {
      const std::string said = spoilt(wide, file, tensor, [&](char* bytes, size_t) {
        const Gguf gguf = Gguf::open(file);
        const GgufTensor& t = gguf.at(tensor);
        const size_t row = size_t(row_bytes(t.format, t.shape.back()));
        std::swap_ranges(bytes, bytes + row, bytes + row);
      });
      expect_has(said, "the self-test fails");
    }
  }
}

TEST_F(SelfTests, OneBitOfAnExactTypeIsNoticed) {
  const fs::path v3 = golden("v3"), file = folder_ / "a.gguf";
  to(v3, file);
  expect_has(spoilt(v3, file, "blk.1.ffn_down_exps.weight", [](char* bytes, size_t size) { bytes[size - 4] ^= 1; }),
             "row 15 of tensor model.layers.1.mlp.experts.7.down_proj.weight");
  EXPECT_EQ(spoilt(v3, file, "blk.1.ffn_down_exps.weight", [](char*, size_t) {}), "no error");
}

TEST_F(SelfTests, NumbersThatAreNoneAreNoticed) {
  const fs::path v3 = golden("v3"), file = folder_ / "a.gguf";
  to(v3, file, WeightType::bf16);
  expect_has(spoilt(v3, file, "output.weight", [](char* bytes, size_t) { bytes[0] = char(0xff), bytes[1] = 0x7f; }),
             "the self-test fails");
  // Of the source: not the conversion's fault.
  const ConvertSource bad = open_source(file.string() + ".bad"), good = open_source(file);
  expect_has(message([&] { compare_weights(bad, good, [](size_t) {}); }),
             "a.gguf.bad: row 0 of tensor lm_head.weight has numbers that are not finite");
}

TEST_F(SelfTests, OtherLogitsAreNoticed) {
  to(golden("v3"), folder_ / "a.gguf");
  const ConvertSource a = open_source(golden("v3")), same = open_source(folder_ / "a.gguf");
  SelfTest result;
  compare_logits(ctx_, a, same, 1e9, result);
  EXPECT_EQ(result.tokens, 8);
  EXPECT_EQ(result.same_top, 8);
  EXPECT_EQ(result.logit_error, 0);
  to(golden("v3"), folder_ / "b.gguf", WeightType::bf16);
  const ConvertSource other = open_source(folder_ / "b.gguf");
  SelfTest exact;
  expect_has(message([&] { compare_logits(ctx_, a, other, 1e9, exact); }), "the self-test fails: the logits of");
  SelfTest none;
  compare_logits(ctx_, a, same, 0, none);  // no memory for a model
  EXPECT_EQ(none.tokens, 0);
  expect_has(none.text(), "were not compared");
}

}  // namespace
}  // namespace minke
