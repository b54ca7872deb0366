#include "serve/compression.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "base/error.h"

namespace resnet::serve {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

int window_bits(Coding coding) { return coding == Coding::kGzip ? MAX_WBITS + 16 : MAX_WBITS; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Coding coding_of(std::string_view text) noexcept {
  if (text == "gzip" || text == "x-gzip") return Coding::kGzip;
  return text == "deflate" ? Coding::kDeflate : Coding::kIdentity;
}

struct Inflater {
  explicit Inflater(Coding coding) {
    if (inflateInit2(&stream, window_bits(coding)) != Z_OK) throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }
  z_stream stream{};
};

}  // namespace

Coding parse_coding(std::string_view text, std::string_view header) {
  const Coding coding = coding_of(trim(text));
  if (coding == Coding::kIdentity && trim(text) != "identity") throw UnknownCoding(header);
  return coding;
}

Coding choose_coding(std::string_view accepted) noexcept {
  while (!accepted.empty()) {
    const std::string_view entry = accepted.substr(0, accepted.find(','));
    accepted.remove_prefix(std::min(accepted.size(), entry.size() + 1));
    const std::size_t semicolon = entry.find(';');
    const Coding coding = coding_of(trim(entry.substr(0, semicolon)));
    const std::string_view quality = semicolon == std::string_view::npos ? "" : trim(entry.substr(semicolon + 1));
    const bool refused = quality == "q=0" || quality.starts_with("q=0.0");
    if (coding != Coding::kIdentity && !refused) return coding;
  }
  return Coding::kIdentity;
}

std::string inflate_body(std::string_view bytes, Coding coding, std::size_t limit) {
  if (coding == Coding::kIdentity) return std::string(bytes);
  Inflater inflater(coding);
  z_stream& stream = inflater.stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string result;
  for (;;) {
    const std::size_t begin = result.size();
    result.resize(std::min(begin + std::max(kPiece, begin), limit + 1));  // one more shows that there is more
    stream.next_out = reinterpret_cast<Bytef*>(result.data() + begin);
    stream.avail_out = static_cast<uInt>(result.size() - begin);
    const int status = inflate(&stream, Z_NO_FLUSH);
    result.resize(result.size() - stream.avail_out);
    if (result.size() > limit) fail(ErrorCode::kLimit, "body", "it unpacks to more than {} bytes", limit);
    if (status == Z_STREAM_END) break;
    if (status != Z_OK) fail(ErrorCode::kFormat, "body", "its compressed bytes are broken or cut short");
  }
  if (stream.avail_in > 0) fail(ErrorCode::kFormat, "body", "bytes follow behind its compressed ones");
  return result;
}

std::string deflate_body(std::string_view bytes, Coding coding) {
  if (coding == Coding::kIdentity) return std::string(bytes);
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_bits(coding), 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  std::string result(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(result.size() - stream.avail_out);
  deflateEnd(&stream);
  return result;
}

}  // namespace resnet::serve
