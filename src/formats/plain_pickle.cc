#include "formats/plain_pickle.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>

#include "base/buffer.h"
#include "base/error.h"
#include "formats/pickle.h"
#include "formats/pickled_tree.h"
#include "formats/torch_tensors.h"

namespace resnet {
namespace {

constexpr std::size_t kInflateStep = std::size_t{1} << 18;

// An inflate stream that ends with the scope.
class ZlibStream {
 public:
  ZlibStream() {
    if (::inflateInit(&stream_) != Z_OK) throw std::bad_alloc();
  }
  ZlibStream(const ZlibStream&) = delete;
  ZlibStream& operator=(const ZlibStream&) = delete;
  ~ZlibStream() { ::inflateEnd(&stream_); }

  // Inflates all of `packed`, handing out piece after piece that was written to `room` of the sink.
  template <typename Sink>
  void run(std::span<const std::byte> packed, const std::string& path, Sink& sink) {
    std::size_t read = 0;
    for (int status = Z_OK; status != Z_STREAM_END;) {
      const std::span<const std::byte> input = packed.subspan(read, std::min(kInflateStep, packed.size() - read));
      const std::span<std::byte> output = sink.room();
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
      stream_.avail_in = static_cast<uInt>(input.size());
      stream_.next_out = reinterpret_cast<Bytef*>(output.data());
      stream_.avail_out = static_cast<uInt>(output.size());
      status = ::inflate(&stream_, Z_NO_FLUSH);
      const std::size_t consumed = input.size() - stream_.avail_in;
      const std::size_t produced = output.size() - stream_.avail_out;
      read += consumed;
      sink.take(produced);
      const bool stuck = status == Z_BUF_ERROR || (status == Z_OK && consumed == 0 && produced == 0);
      if (stuck || (status != Z_OK && status != Z_STREAM_END)) {
        fail(ErrorCode::kFormat, path, "offset {}: {}", read,
             read == packed.size() ? "the zlib stream is cut short" : "damaged zlib stream");
      }
    }
    if (read != packed.size()) fail(ErrorCode::kFormat, path, "{} bytes after the zlib stream", packed.size() - read);
  }

 private:
  z_stream stream_{};
};

struct Counter {  // of bytes that nobody keeps
  std::vector<std::byte> scratch = std::vector<std::byte>(kInflateStep);
  std::size_t total = 0;
  const MemoryBudget& budget;

  std::span<std::byte> room() { return scratch; }
  void take(std::size_t bytes) {
    total += bytes;
    budget.require(total, "unpacked bytes");
  }
};

struct Writer {
  std::span<std::byte> left;
  std::byte full{};  // zlib wants room where none is left

  std::span<std::byte> room() {
    return left.empty() ? std::span(&full, 1) : left.first(std::min(kInflateStep, left.size()));
  }
  void take(std::size_t bytes) { left = left.subspan(std::min(bytes, left.size())); }
};

std::string_view stream_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

bool looks_like_pickle(std::span<const std::byte> bytes) noexcept {
  const std::string_view text = stream_text(bytes);
  if (text.size() > 1 && text[0] == '\x80') return text[1] >= 2 && text[1] <= 5;
  static constexpr std::array<std::string_view, 12> kBegins = {
      "(dp", "(lp", "(tp", "(dq", "(lq", "}q", "]q", "ccollections\n", "ccopy_reg\n", "ccopyreg\n", "cnumpy", "ctorch"};
  return std::ranges::any_of(kBegins, [&](std::string_view begin) { return text.starts_with(begin); });
}

bool looks_like_zlib(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < 2 || bytes[0] != std::byte{0x78}) return false;
  return (0x7800U + std::to_integer<unsigned>(bytes[1])) % 31 == 0;
}

TensorFile read_plain_pickle(const OwnedBytes& bytes, const std::string& path,
                             const std::shared_ptr<MemoryBudget>& budget) {
  const pickle::Pickle object = pickle::read_pickle(bytes.reader(path), *budget, pickle::Unknown::kKeep);
  if (object.end != bytes.bytes.size()) {
    fail(ErrorCode::kFormat, path, "offset {}: {} bytes after the pickle", object.end, bytes.bytes.size() - object.end);
  }
  const auto storage = [&](const StorageId& /*id*/) -> OwnedBytes {
    fail(ErrorCode::kFormat, path,
         "names a storage that is not in it: is it the data.pkl of an unpacked PyTorch file? Give that file itself");
  };
  TensorFile result;
  result.format = "pickle";
  const TorchTensors tensors(storage, bytes, budget);
  read_tree({object, bytes, tensors, path, budget}, result);
  return result;
}

TensorFile read_packed_pickle(const OwnedBytes& bytes, const std::string& path,
                              const std::shared_ptr<MemoryBudget>& budget) {
  const std::span<const std::byte> packed = bytes.load();
  Counter counter{.budget = *budget};
  ZlibStream().run(packed, path, counter);
  budget->charge(counter.total, "unpacked bytes");
  const auto memory = std::make_shared<AlignedBuffer<std::byte>>(counter.total);
  Writer writer{.left = memory->span()};
  ZlibStream().run(packed, path, writer);
  const std::span<const std::byte> unpacked = memory->span();
  if (!looks_like_pickle(unpacked)) fail(ErrorCode::kFormat, path, "packed by zlib, and no pickle inside");
  return read_plain_pickle({unpacked, memory}, path, budget);
}

}  // namespace resnet
