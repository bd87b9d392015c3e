// Event files are read back by a reader that shares nothing with the writer: its own framing, CRC and protobuf.
#include "report/event_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "report/recorder.h"

namespace minke {
namespace {

// Bit by bit, from the definition: reflected polynomial 0x1edc6f41.
uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (unsigned char b : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool odd = ((crc >> 0) ^ (uint32_t(b) >> bit)) & 1;
      crc = (crc >> 1) ^ (odd ? 0x82f63b78u : 0u);
    }
  return crc ^ 0xffffffff;
}

template <class T> T at(std::string_view bytes, size_t offset) {
  T value;
  if (offset + sizeof value > bytes.size()) throw std::runtime_error("cut");
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The payloads; throws if a length, a CRC or the end is wrong.
std::vector<std::string> records(std::string_view file) {
  const auto masked = [](std::string_view bytes) {
    const uint32_t crc = slow_crc32c(bytes);
    return uint32_t(((crc >> 15) | (crc << 17)) + 0xa282ead8u);
  };
  std::vector<std::string> out;
  for (size_t i = 0; i < file.size();) {
    const uint64_t length = at<uint64_t>(file, i);
    if (at<uint32_t>(file, i + 8) != masked(file.substr(i, 8))) throw std::runtime_error("CRC of a length");
    if (length > file.size()) throw std::runtime_error("cut");
    const std::string_view data = file.substr(i + 12, length);
    if (at<uint32_t>(file, i + 12 + length) != masked(data)) throw std::runtime_error("CRC of a record");
    out.emplace_back(data);
    i += 16 + length;
  }
  return out;
}

// Fields of a message in order: number → raw bytes (varints as 8 bytes).
std::multimap<int, std::string> fields(std::string_view m) {
  std::multimap<int, std::string> out;
  size_t i = 0;
  const auto varint = [&] {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = at<uint8_t>(m, i++);
      v |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    throw std::runtime_error("varint");
  };
  while (i < m.size()) {
    const uint64_t key = varint();
    std::string value;
    size_t size = 0;
    switch (key & 7) {
      case 0: {
        const uint64_t v = varint();
        value.assign(reinterpret_cast<const char*>(&v), 8);
        break;
      }
      case 1: size = 8; break;
      case 2: size = varint(); break;
      case 5: size = 4; break;
      default: throw std::runtime_error("wire type");
    }
    if (i + size > m.size()) throw std::runtime_error("cut");
    if ((key & 7) != 0) value = m.substr(i, size);
    i += size;
    out.emplace(int(key >> 3), value);
  }
  return out;
}
std::string field(std::string_view m, int number) {
  const auto all = fields(m);
  const auto found = all.find(number);
  return found == all.end() ? "" : found->second;
}

struct Read {
  std::map<std::string, std::vector<std::pair<int64_t, float>>> scalars;
  std::map<std::string, std::vector<std::pair<int64_t, std::string>>> texts;
  std::vector<int64_t> restarts;
  std::string version;
};
Read read_events(std::string_view file) {
  Read out;
  for (const std::string& event : records(file)) {
    const int64_t step = field(event, 2).empty() ? 0 : at<int64_t>(field(event, 2), 0);
    EXPECT_GT(at<double>(field(event, 1), 0), 1.6e9);  // wall_time
    if (!field(event, 3).empty()) out.version = field(event, 3);
    if (!field(event, 7).empty()) {
      EXPECT_EQ(at<int64_t>(field(field(event, 7), 1), 0), 1);  // SessionLog.START
      out.restarts.push_back(step);
    }
    const auto values = fields(field(event, 5));
    for (const auto& [number, value] : values) {
      EXPECT_EQ(number, 1);
      const std::string tag = field(value, 1);
      if (field(value, 8).empty()) {
        out.scalars[tag].emplace_back(step, at<float>(field(value, 2), 0));
        continue;
      }
      const std::string tensor = field(value, 8);
      EXPECT_EQ(at<int64_t>(field(tensor, 1), 0), 7);                      // DT_STRING
      EXPECT_EQ(at<int64_t>(field(field(field(tensor, 2), 2), 1), 0), 1);  // shape [1]
      EXPECT_EQ(field(field(field(value, 9), 1), 1), "text");              // the plugin that shows it
      out.texts[tag].emplace_back(step, field(tensor, 8));
    }
  }
  return out;
}

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("minke-events-{}", ::getpid());
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::vector<fs::path> event_files() const {
    std::vector<fs::path> out;
    for (const auto& e : fs::directory_iterator(path))
      if (e.path().filename().string().starts_with("events.out.tfevents.")) out.push_back(e.path());
    std::sort(out.begin(), out.end());
    return out;
  }
};

// RFC 3720 (iSCSI), appendix B.4, and the check value of the CRC catalogue.
TEST(EventFile, Crc32cOfKnownVectors) {
  std::string up, down;
  for (int i = 0; i < 32; ++i) up += char(i), down += char(31 - i);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(up), 0x46dd794eu);
  EXPECT_EQ(crc32c(down), 0x113fdb5cu);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(masked_crc32c(""), 0xa282ead8u);
  EXPECT_EQ(slow_crc32c("123456789"), 0xe3069283u);  // of this test's reader
}

TEST(EventFile, HoldsWhatWasWritten) {
  Folder folder;
  const std::vector<std::pair<std::string, double>> values{{"loss/train", 3.25}, {"lr", 1e-3}, {"nan", std::nan("")}};
  const std::string hostile = "<script>\n# heading\xff\n\n* x";
  {
    EventFile file(folder.path, 0);
    file.scalars(1, values);
    file.scalars(300, {{{"loss/train", -1.0}}});
    file.scalars(301, {});
    file.text(300, "samples/1", hostile);
    // Flushed: all of it is there while the file is open.
    EXPECT_EQ(records(read_file(folder.event_files().at(0))).size(), 4u);
  }
  const std::string bytes = read_file(folder.event_files().at(0));
  const Read read = read_events(bytes);
  EXPECT_EQ(read.version, "brain.Event:2");
  EXPECT_TRUE(read.restarts.empty());
  ASSERT_EQ(read.scalars.at("loss/train").size(), 2u);
  EXPECT_EQ(read.scalars.at("loss/train")[0], (std::pair<int64_t, float>{1, 3.25f}));
  EXPECT_EQ(read.scalars.at("loss/train")[1], (std::pair<int64_t, float>{300, -1.0f}));
  EXPECT_EQ(read.scalars.at("lr")[0].second, 1e-3f);
  EXPECT_TRUE(std::isnan(read.scalars.at("nan")[0].second));
  // Indented by four, so that markdown sees code; valid UTF-8.
  EXPECT_EQ(read.texts.at("samples/1")[0].second, "    <script>\n    # heading\ufffd\n    \n    * x");

  // The reader finds planted faults: a flipped bit anywhere, a cut.
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = char(bad[i] ^ 1);
    EXPECT_THROW(records(bad), std::exception) << i;
  }
  EXPECT_THROW(records(std::string_view(bytes).substr(0, bytes.size() - 1)), std::exception);
}

TEST(EventFile, AResumedRunAddsAFileThatTakesBackLaterSteps) {
  Folder folder;
  for (int64_t keep : {0, 20, 20}) Recorder(folder.path, keep).write({{"step", keep + 1}, {"loss", 2.5}});
  const std::vector<fs::path> files = folder.event_files();
  ASSERT_EQ(files.size(), 3u);  // within one second, too: names go on, and sort in the order of the starts
  EXPECT_TRUE(read_events(read_file(files[0])).restarts.empty());
  EXPECT_EQ(read_events(read_file(files[1])).restarts, std::vector<int64_t>{21});
  EXPECT_EQ(read_events(read_file(files[2])).scalars.at("loss/train")[0].first, 21);
  EXPECT_TRUE(files[0].string().ends_with(".minke"));
}

TEST(EventFile, AFolderThatIsNotThereIsAMistake) { EXPECT_THROW(EventFile("/no/such/folder", 0), UserError); }

// Files of this process cannot grow beyond so many bytes meanwhile: as on a full disk.
struct FileSizeLimit {
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit now{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
    handler = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
  rlimit before{};
  void (*handler)(int) = nullptr;
};

TEST(Recorder, WhatCannotBeWrittenIsSaid) {
  const Folder folder;
  const auto message = [&](auto&& write) {
    try {
      const FileSizeLimit limit(200);
      for (int i = 0; i < 20; ++i) write(i);
    } catch (const UserError& e) {
      return std::string(e.what());
    }
    return std::string("none");
  };
  {
    EventFile events(folder.path, 0);
    const std::pair<std::string, double> value{"loss", 1};
    EXPECT_NE(message([&](int i) { events.scalars(i, {&value, 1}); }).find("events.out.tfevents"), std::string::npos);
    JsonlLog log(folder.path / "log.jsonl", {});
    EXPECT_NE(message([&](int i) { log.write({{"step", i}, {"loss", 1}}); }).find("log.jsonl"), std::string::npos);
    JsonlLog deleted(folder.path / "deleted.jsonl", {});
    deleted.write({{"step", 1}});
    fs::remove(folder.path / "deleted.jsonl");
    EXPECT_THROW(deleted.write({{"step", 2}}), UserError);
  }
}

// A resumed run keeps its steps, and makes the evaluation after the last of them again.
TEST(Recorder, AResumedRunTakesBackWhatFollowsTheCheckpoint) {
  const Folder folder;
  write_file_atomic(
      folder.path / "log.jsonl",
      "{\"step\":1,\"loss\":3}\n{\"step\":1,\"eval_bits_per_byte\":3}\n{\"step\":2,\"loss\":2}\n"
      "{\"step\":2,\"eval_bits_per_byte\":2}\n{\"step\":2,\"sample\":\"x\"}\n{\"step\":3,\"loss\":1}\n{\"st");
  { const Recorder recorder(folder.path, 2); }
  EXPECT_EQ(read_file(folder.path / "log.jsonl"),
            "{\"step\":1,\"loss\":3}\n{\"step\":1,\"eval_bits_per_byte\":3}\n{\"step\":2,\"loss\":2}\n");
}

// Without held-out text the end of a run is a record of its own. It holds at the last step only until the run goes on.
TEST(Recorder, AResumedRunHasNotEnded) {
  const Folder folder;
  const std::string steps = "{\"step\":1,\"loss\":3}\n{\"step\":2,\"loss\":2}\n";
  write_file_atomic(folder.path / "log.jsonl",
                    steps + "{\"final\":true,\"step\":2,\"train_seconds\":9.0,\"unix_time\":1700000000}\n");
  { const Recorder recorder(folder.path, 2); }
  EXPECT_EQ(read_file(folder.path / "log.jsonl"), steps);
}

TEST(Recorder, BothLogsHaveTheSameNumbers) {
  Folder folder;
  const Json step{{"step", 3},
                  {"loss", 2.5},
                  {"lr", 0.001},
                  {"tokens", 4096},
                  {"seconds", 2.0},
                  {"train_seconds", 9.0},
                  {"mtp_loss", {2.75, 3.0}},
                  {"max_vio", {{"1", 0.5}, {"12", 1.5}}},
                  {"max_vio_100", {{"mean", 0.75}, {"worst_layer", 12}}},
                  {"dropped", 0.125},
                  {"reward", 0.25},
                  {"rewards/format/mean", 0.5},
                  {"luck", 0.25}};
  {
    Recorder recorder(folder.path, 0);
    recorder.write({{"step", 0}, {"run", {{"machine", "m"}}}});
    recorder.write(step);
    recorder.write({{"step", 3}, {"eval_nats_per_token", 2.25}, {"eval_bits_per_byte", 1.125}, {"final", false}});
    recorder.write({{"step", 3}, {"eval_average_nats_per_token", 2.5}, {"eval_average_bits_per_byte", 1.25}});
    recorder.write({{"step", 3}, {"eval_choices", 0.5}, {"eval_choices_chance", 0.25}, {"eval_needle_512", 0.75}});
    recorder.write({{"step", 3}, {"rolled_back_from", 5}});
    recorder.write({{"step", 3}, {"train_seconds", 9.0}, {"unix_time", 1700000000}, {"final", true}});  // no numbers
    recorder.write({{"step", 3}, {"prompt", "a"}, {"sample", "b"}});
    recorder.write({{"step", 3}, {"prompt", "c"}, {"sample", "d"}});
    recorder.text("recipe", "x = 1");
  }
  const Read read = read_events(read_file(folder.event_files().at(0)));
  const std::map<std::string, float> expected{{"loss/train", 2.5f},
                                              {"optimizer/lr", 0.001f},
                                              {"speed/tokens_per_second", 2048.f},
                                              {"loss/mtp_1", 2.75f},
                                              {"loss/mtp_2", 3.f},
                                              {"balance/max_vio/layer_01", 0.5f},
                                              {"balance/max_vio/layer_12", 1.5f},
                                              {"balance/max_vio_100/mean", 0.75f},
                                              {"balance/max_vio_100/worst_layer", 12.f},
                                              {"balance/dropped", 0.125f},
                                              {"balance/load_max_over_mean", 2.f},
                                              {"other/luck", 0.25f},
                                              {"rewards/all/mean", 0.25f},
                                              {"rewards/format/mean", 0.5f},
                                              {"loss/held_out", 2.25f},
                                              {"bits_per_byte/held_out", 1.125f},
                                              {"loss/held_out_average", 2.5f},
                                              {"bits_per_byte/held_out_average", 1.25f},
                                              {"eval/choices", 0.5f},
                                              {"eval/choices_chance", 0.25f},
                                              {"eval/needle_512", 0.75f},
                                              {"optimizer/rolled_back_from", 5.f}};
  std::map<std::string, float> found;
  for (const auto& [tag, values] : read.scalars) {
    EXPECT_EQ(values.size(), 1u) << tag;
    found[tag] = values.at(0).second;
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(read.texts.at("samples/1")[0].second, "    a▶b");
  EXPECT_EQ(read.texts.at("samples/2")[0].second, "    c▶d");
  EXPECT_EQ(read.texts.at("recipe")[0].second, "    x = 1");
  EXPECT_NE(read_file(folder.path / "log.jsonl").find(step.dump() + "\n"), std::string::npos);
}

}  // namespace
}  // namespace minke
