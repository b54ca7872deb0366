#include "formats/pickled_bytes.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

bool lies_in(std::span<const std::byte> part, std::span<const std::byte> whole) {
  const std::less_equal<const std::byte*> not_after;
  return not_after(whole.data(), part.data()) && not_after(part.data() + part.size(), whole.data() + whole.size());
}

OwnedBytes keep(std::vector<std::byte> bytes) {
  const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {*owner, owner};
}

// Characters U+0000 to U+00FF in UTF-8 as bytes; nothing where there are others.
std::optional<std::vector<std::byte>> decode(std::string_view text) {
  std::vector<std::byte> bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = static_cast<unsigned char>(text[i]);
    if (code >= 0x80) {
      if (code > 0xC3 || ++i == text.size()) return std::nullopt;
      code = (code & 0x03U) << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    bytes.push_back(static_cast<std::byte>(code));
  }
  return bytes;
}

// The text in a call that encodes it; null for other calls.
const std::string_view* encoded_text(const Object& call) {
  const bool encodes = call.callee->role == GlobalRole::kText || call.callee->role == GlobalRole::kFirst;
  if (!encodes || call.items.size() != 2) return nullptr;
  const std::string_view* encoding = as_plain_string(call.items[1]);
  const bool latin1 = encoding != nullptr && (*encoding == "latin1" || *encoding == "latin-1");
  return latin1 ? pickle::as_text(call.items[0]) : nullptr;
}

}  // namespace

const std::string_view* as_plain_string(const Value& value) noexcept {
  const auto* bytes = std::get_if<pickle::Bytes>(&value);
  return bytes != nullptr ? &bytes->bytes : pickle::as_text(value);
}

std::optional<OwnedBytes> pickled_bytes(const Value& value, const OwnedBytes& source, MemoryBudget& budget) {
  const Object* call = pickle::as(value, Kind::kCall);
  const bool wraps = call != nullptr && call->callee->role == GlobalRole::kFirst && call->items.size() == 1;
  if (const std::string_view* plain = as_plain_string(wraps ? call->items[0] : value)) {
    const auto bytes = std::as_bytes(std::span(*plain));
    if (lies_in(bytes, source.bytes)) return OwnedBytes{bytes, source.owner};
    budget.charge(bytes.size(), "bytes of a pickle");
    return keep({bytes.begin(), bytes.end()});
  }
  if (call == nullptr) return std::nullopt;
  if (call->callee->role == GlobalRole::kFirst && call->items.empty()) return keep({});  // bytes()
  const std::string_view* text = encoded_text(*call);
  if (text == nullptr) return std::nullopt;
  budget.charge(text->size(), "bytes of a pickle");
  auto bytes = decode(*text);
  if (!bytes) return std::nullopt;
  return keep(*std::move(bytes));
}

}  // namespace resnet
