// Runs a fuzz target (LLVMFuzzerTestOneInput) where libFuzzer is not there (g++): every seed file, then seeded random
// mutations of them. Takes libFuzzer's flags, so one CTest line serves both: -runs=N (mutations), -seed=S, -max_len=BYTES,
// -max_total_time=SECONDS, then seed files and folders. A failing input is saved as crash-<seed>-<run>, and running the
// program on that file alone repeats it. Held by tests/fuzz/planted_fault.cpp, which must be found.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*)());

namespace {
using Bytes = std::vector<uint8_t>;

constexpr unsigned kSecondsPerInput = 20;          // no input of some kilobytes may take longer: a hang
constexpr rlim_t kAddressSpace = rlim_t(2) << 30;  // an allocation sized by the input alone runs into this

// The input under test, for the handlers: only async-signal-safe calls may follow a crash.
const uint8_t* current_data = nullptr;
size_t current_size = 0;
char crash_name[64] = "";

void save_input() {
  const int fd = ::open(crash_name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  bool saved = fd >= 0;
  for (size_t at = 0; saved && at < current_size;) {
    const ssize_t n = ::write(fd, current_data + at, current_size - at);
    if (n <= 0) saved = false;
    else at += size_t(n);
  }
  const auto tell = [](const char* text) { (void)!::write(2, text, std::strlen(text)); };
  tell(saved ? "fuzz: failing input saved as " : "fuzz: could not save the failing input as ");
  tell(crash_name);
  tell("\n");
}

void on_signal(int signal) {
  save_input();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run_one(const Bytes& input, const std::string& name) {
  // A copy of the exact size on the heap, so that AddressSanitizer sees a read one byte beyond.
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), copy.get());
  current_data = copy.get(), current_size = input.size();
  std::strncpy(crash_name, name.c_str(), sizeof crash_name - 1);
  ::alarm(kSecondsPerInput);
  LLVMFuzzerTestOneInput(copy.get(), input.size());
  ::alarm(0);
}

// Draws of one run: a pure function of (seed, run), so that any single run can be repeated.
class Dice {
 public:
  Dice(uint64_t seed, uint64_t run) : key_(minke::RngKey{seed, 0}.at("fuzz").at(run)) {}
  uint64_t below(uint64_t n) { return n == 0 ? 0 : key_.u64(next_++) % n; }
  uint8_t byte() { return uint8_t(below(256)); }

 private:
  minke::RngKey key_;
  uint64_t next_ = 0;
};

// Numbers at which sizes and offsets go wrong, written as text into text and as bytes into binaries.
constexpr uint64_t kNumbers[] = {0,
                                 1,
                                 7,
                                 8,
                                 127,
                                 128,
                                 255,
                                 256,
                                 0x7fff,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 uint64_t(1) << 32,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 0xfffffffffffffff8,
                                 ~uint64_t(0)};
constexpr std::string_view kPieces[] = {"{",
                                        "}",
                                        "[",
                                        "]",
                                        "\"",
                                        ":",
                                        ",",
                                        "\\",
                                        "\\u0000",
                                        "\\ud800",
                                        "-",
                                        "1e999",
                                        "null",
                                        "true",
                                        "\n",
                                        "\xff",
                                        "\xf0\x9f\x90\xb3",
                                        "\xe4\xb8\xad",
                                        "NaN",
                                        "-1",
                                        "0.5"};

void mutate_once(Bytes& input, const std::vector<Bytes>& seeds, Dice& dice) {
  const size_t size = input.size(), at = dice.below(size + 1);
  const auto insert = [&](const auto& begin, const auto& end) {
    input.insert(input.begin() + ptrdiff_t(at), begin, end);
  };
  const auto place = [&](std::string_view bytes, bool overwrite) {
    if (!overwrite) return insert(bytes.begin(), bytes.end());
    for (size_t i = 0; i < bytes.size() && at + i < size; ++i) input[at + i] = uint8_t(bytes[i]);
  };
  switch (dice.below(10)) {
    case 0:
      if (at < size) input[at] ^= uint8_t(1u << dice.below(8));
      break;
    case 1:
      if (at < size) input[at] = dice.byte();
      break;
    case 2:
      input.erase(input.begin() + ptrdiff_t(at),
                  input.begin() + ptrdiff_t(at + dice.below(std::min<size_t>(size - at, 32) + 1)));
      break;
    case 3: input.resize(at); break;
    case 4: {  // a piece of itself again, here
      const size_t from = dice.below(size + 1), n = dice.below(std::min<size_t>(size - from, 256) + 1);
      const Bytes piece(input.begin() + ptrdiff_t(from), input.begin() + ptrdiff_t(from + n));
      insert(piece.begin(), piece.end());
      break;
    }
    case 5: {  // the rest from another seed
      const Bytes& other = seeds[dice.below(seeds.size())];
      const size_t from = dice.below(other.size() + 1);
      input.resize(at);
      input.insert(input.end(), other.begin() + ptrdiff_t(from), other.end());
      break;
    }
    case 6: {  // a number, little-endian
      const uint64_t number = kNumbers[dice.below(std::size(kNumbers))] + dice.below(3) - 1;
      char bytes[8];
      std::memcpy(bytes, &number, 8);
      place({bytes, size_t(1) << dice.below(4)}, dice.below(4) != 0);
      break;
    }
    case 7: {  // a number in digits, in the place of the digits that stand here
      size_t end = at;
      while (end < input.size() && input[end] >= '0' && input[end] <= '9') ++end;
      input.erase(input.begin() + ptrdiff_t(at), input.begin() + ptrdiff_t(end));
      const std::string digits = fmt::format("{}", kNumbers[dice.below(std::size(kNumbers))]);
      insert(digits.begin(), digits.end());
      break;
    }
    case 8: place(kPieces[dice.below(std::size(kPieces))], dice.below(2) != 0); break;
    case 9: {  // one piece many times: nesting, long runs
      const std::string_view piece = kPieces[dice.below(std::size(kPieces))];
      std::string many;
      for (uint64_t n = dice.below(300); n > 0; --n) many += piece;
      insert(many.begin(), many.end());
      break;
    }
  }
}

uint64_t number_after(std::string_view argument, std::string_view flag, uint64_t otherwise) {
  if (!argument.starts_with(flag)) return otherwise;
  argument.remove_prefix(flag.size());
  uint64_t value = 0;
  if (std::from_chars(argument.data(), argument.data() + argument.size(), value).ec != std::errc()) {
    fmt::print(stderr, "fuzz: {} needs a number\n", flag);
    std::exit(2);
  }
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 0, seed = 1, max_len = 4096, max_seconds = 0;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    runs = number_after(argument, "-runs=", runs);
    seed = number_after(argument, "-seed=", seed);
    max_len = number_after(argument, "-max_len=", max_len);
    max_seconds = number_after(argument, "-max_total_time=", max_seconds);
    if (argument.starts_with("-")) continue;
    if (std::filesystem::is_directory(argument)) {
      for (const auto& entry : std::filesystem::directory_iterator(argument))
        if (entry.is_regular_file()) files.push_back(entry.path());
    } else if (std::filesystem::exists(argument)) {
      files.emplace_back(argument);
    } else {
      fmt::print(stderr, "fuzz: no file or folder {}\n", argument);
      return 2;
    }
  }
  std::sort(files.begin(), files.end());

  if (__sanitizer_set_death_callback) {
    __sanitizer_set_death_callback(save_input);  // sanitizers reserve terabytes of addresses: no limit there
  } else {
    const rlimit limit{kAddressSpace, kAddressSpace};
    ::setrlimit(RLIMIT_AS, &limit);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, on_signal);
  }
  for (const int signal : {SIGABRT, SIGALRM}) std::signal(signal, on_signal);

  std::vector<Bytes> seeds;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    run_one(seeds.back(), "crash-" + file.filename().string().substr(0, 50));
  }
  if (seeds.empty()) seeds.emplace_back();

  const auto begin = minke::Clock::now();
  uint64_t run = 0;
  for (; run < runs && (max_seconds == 0 || minke::seconds_since(begin) < double(max_seconds)); ++run) {
    Dice dice(seed, run);
    Bytes input = seeds[dice.below(seeds.size())];
    for (uint64_t n = 1 + dice.below(6); n > 0; --n) mutate_once(input, seeds, dice);
    if (input.size() > max_len) input.resize(max_len);
    run_one(input, fmt::format("crash-{}-{}", seed, run));
  }
  fmt::print("fuzz: {} seeds and {} mutations in {:.1f} s\n", files.size(), run, minke::seconds_since(begin));
  return 0;
}
