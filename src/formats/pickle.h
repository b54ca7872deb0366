// Reads a pickle (Python's object stream, protocols 0 to 5) as a tree of plain values, without ever running anything.
//
// A pickle is a program for a small stack machine. Where it calls a function or makes an object, the tree gets a record
// of the call, its arguments and what was put into the object afterwards, nothing more: what a tensor is,
// torch_tensors.h knows. Names that are not in torch_globals.h are refused or become opaque, as the caller wants.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "formats/byte_reader.h"
#include "formats/memory_budget.h"
#include "formats/torch_globals.h"

namespace resnet::pickle {

struct Object;

struct None {};
struct Text {  // UTF-8, as the pickle has it
  std::string_view text;
};
inline constexpr std::size_t kMaxLoadedBytes = std::size_t{1} << 20;
struct Bytes {  // longer ones than kMaxLoadedBytes may have to be loaded from the pickle's source (base/byte_source.h)
  std::string_view bytes;
};
struct Long {  // little-endian two's complement, more than 8 bytes
  std::string_view bytes;
};

// Views point into the pickle's bytes, objects belong to the Pickle.
using Value = std::variant<None, bool, std::int64_t, double, Text, Bytes, Long, const Global*, Object*>;

enum class Kind {
  kTuple,
  kList,
  kSet,
  kDict,        // items: key, value, key, value, ...
  kCall,        // `callee` with the arguments `items`; not made
  kPersistent,  // a reference to something outside of the pickle, named by `items`
};

struct Object {
  Kind kind = Kind::kTuple;
  mutable std::uint8_t mark = 0;  // of who goes through the tree; 0 at first
  mutable bool open = false;
  std::vector<Value> items;
  const Global* callee = nullptr;
};

// What of an object is not in its items.
template <typename T>
using PartOf = std::unordered_map<const Object*, T>;

struct Pickle {
  std::deque<Object> objects;     // may refer to each other in circles
  PartOf<Value> states;           // what BUILD gave the objects that calls made
  PartOf<Object*> entries;        // of those among them that were filled like a dictionary: a kDict
  PartOf<Object*> elements;       // and like a list or a set: a kList
  PartOf<Value> attached;         // bytes behind them in the stream (joblib_array.h)
  std::deque<Global> unknown;     // names that are not in torch_globals.h
  std::deque<std::string> texts;  // that had to be decoded
  Value root;
  std::size_t end = 0;  // offset of the byte after the STOP
};

// What becomes of classes and functions that are not in torch_globals.h.
enum class Unknown {
  kRefuse,  // kUnsupported, with the name; so are protocols 0 and 1
  kKeep,    // a Global with the role kOpaque; what is made by it is a kCall, whatever the pickle then does with it
};

// Reads the pickle that starts at `begin`, or where the reader stands. `where` names the bytes in errors. Throws
// kFormat, kLimit, kUnsupported.
Pickle read_pickle(ByteReader bytes, MemoryBudget& budget, Unknown unknown = Unknown::kRefuse);
Pickle read_pickle(std::span<const std::byte> bytes, std::size_t begin, const std::string& where, MemoryBudget& budget,
                   Unknown unknown = Unknown::kRefuse);

// The object of this kind that the value refers to; null where it is something else.
const Object* as(const Value& value, Kind kind) noexcept;

// The text of the value; null where it is something else.
const std::string_view* as_text(const Value& value) noexcept;

}  // namespace resnet::pickle
