#include "data/byte_source.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/file_format.h"

namespace minke {
namespace {

class PlainSource : public ByteSource {
 public:
  PlainSource(const fs::path& path, uint64_t* consumed) : path_(path), consumed_(consumed) {
    std::error_code error;
    if (fs::is_directory(path, error)) user_error("{} is a folder; a file is needed here", path.string());
    if (fs::exists(path, error) && !fs::is_regular_file(path, error))
      user_error("{} is a pipe or a device, not a file: save what it gives in a file", path.string());
    file_ = std::fopen(path.c_str(), "rb");
    if (!file_) user_error("cannot open {}: {}", path.string(), std::strerror(errno));
  }
  PlainSource(const PlainSource&) = delete;
  PlainSource& operator=(const PlainSource&) = delete;
  ~PlainSource() override { std::fclose(file_); }
  size_t read(char* data, size_t size) override {
    const size_t n = std::fread(data, 1, size, file_);
    if (n == 0 && std::ferror(file_)) user_error("cannot read {}: {}", path_.string(), std::strerror(errno));
    if (consumed_) *consumed_ += n;
    return n;
  }
  // The first bytes; they are read again afterwards.
  std::string peek(size_t size) {
    std::string begin(size, '\0');
    begin.resize(std::fread(begin.data(), 1, size, file_));
    if (std::ferror(file_)) user_error("cannot read {}: {}", path_.string(), std::strerror(errno));
    std::rewind(file_);
    return begin;
  }

 private:
  fs::path path_;
  uint64_t* consumed_;
  std::FILE* file_;
};

class GzipSource : public ByteSource {
 public:
  GzipSource(const fs::path& path, std::unique_ptr<ByteSource> in) : path_(path), in_(std::move(in)), buffer_(1 << 16) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) user_error("cannot start zlib for {}", path.string());
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(char* data, size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(data);
    stream_.avail_out = uInt(std::min<size_t>(size, 1 << 30));
    const size_t wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0) {
        stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
        stream_.avail_in = uInt(in_->read(buffer_.data(), buffer_.size()));
        if (stream_.avail_in == 0) {
          if (!between_members_) user_error("{}: the gzip data is cut off", path_.string());
          return 0;
        }
      }
      if (between_members_ && started_) {
        // After the last member zeros may fill a block of a tape or a disk, as gzip itself allows.
        while (stream_.avail_in > 0 && *stream_.next_in == 0) ++stream_.next_in, --stream_.avail_in;
        if (stream_.avail_in == 0) continue;
        inflateReset(&stream_);  // files joined by cat have several members
      }
      between_members_ = false;
      started_ = true;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) between_members_ = true;
      else if (code != Z_OK && code != Z_BUF_ERROR)
        user_error("{}: damaged gzip data ({})", path_.string(), stream_.msg ? stream_.msg : "unknown reason");
    }
    return wanted - stream_.avail_out;
  }

 private:
  fs::path path_;
  std::unique_ptr<ByteSource> in_;
  std::vector<char> buffer_;
  z_stream stream_{};
  bool between_members_ = false, started_ = false;
};

class ZstdSource : public ByteSource {
 public:
  ZstdSource(const fs::path& path, std::unique_ptr<ByteSource> in)
      : path_(path), in_(std::move(in)), buffer_(ZSTD_DStreamInSize()) {
    stream_ = ZSTD_createDStream();
    if (!stream_) user_error("cannot start zstd for {}", path.string());
  }
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

  size_t read(char* data, size_t size) override {
    ZSTD_outBuffer out{data, size, 0};
    while (out.pos == 0) {
      if (chunk_.pos == chunk_.size && !more_) {
        chunk_ = {buffer_.data(), in_->read(buffer_.data(), buffer_.size()), 0};
        if (chunk_.size == 0) {
          if (open_frame_) user_error("{}: the zstd data is cut off", path_.string());
          return 0;
        }
      }
      const size_t used = chunk_.pos;
      const size_t code = ZSTD_decompressStream(stream_, &out, &chunk_);
      if (ZSTD_isError(code)) user_error("{}: damaged zstd data ({})", path_.string(), ZSTD_getErrorName(code));
      // A call that does nothing at the end of a frame already asks for the next frame.
      if (out.pos > 0 || chunk_.pos > used) open_frame_ = code != 0;
      more_ = out.pos == out.size;  // the window may hold more than fits
    }
    return out.pos;
  }

 private:
  fs::path path_;
  std::unique_ptr<ByteSource> in_;
  std::vector<char> buffer_;
  ZSTD_DStream* stream_ = nullptr;
  ZSTD_inBuffer chunk_{nullptr, 0, 0};
  bool open_frame_ = true, more_ = false;
};

// A source whose first bytes have been looked at.
class TextSource : public ByteSource {
 public:
  TextSource(std::unique_ptr<ByteSource> source, const fs::path& path) : source_(std::move(source)) {
    begin_.resize(kFormatBytes);
    size_t size = 0;
    while (size < begin_.size()) {
      const size_t n = source_->read(begin_.data() + size, begin_.size() - size);
      if (n == 0) break;
      size += n;
    }
    begin_.resize(size);
    refuse_other_formats(begin_, path);
    if (begin_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }
  size_t read(char* data, size_t size) override {
    if (at_ == begin_.size()) return source_->read(data, size);
    const size_t n = begin_.copy(data, size, at_);
    at_ += n;
    return n;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string begin_;
  size_t at_ = 0;
};

std::unique_ptr<ByteSource> decompressed(const fs::path& path, uint64_t* consumed) {
  auto plain = std::make_unique<PlainSource>(path, consumed);
  const std::string begin = plain->peek(4);
  const std::string ending = path.extension().string();
  if (is_gzip(begin) || ending == ".gz") return std::make_unique<GzipSource>(path, std::move(plain));
  if (is_zstd(begin) || ending == ".zst") return std::make_unique<ZstdSource>(path, std::move(plain));
  return plain;
}

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const fs::path& path, uint64_t* consumed) {
  return std::make_unique<TextSource>(decompressed(path, consumed), path);
}

}  // namespace minke
