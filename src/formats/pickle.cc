#include "formats/pickle.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/text.h"
#include "formats/pickle_machine.h"
#include "formats/pickle_text.h"

namespace resnet::pickle {
namespace {

constexpr std::size_t kMaxStack = 100'000;  // values; Python pickles lists and dictionaries 1,000 at a time
constexpr std::size_t kMaxMarks = 1'000;    // open tuples, lists and dictionaries: depth of nesting

}  // namespace

// Pickles of protocols 0 and 1, which do not say which they are of, are only read by who keeps what is not known.
void Machine::read_protocol() {
  constexpr unsigned char kProto = 0x80;
  opcode_at_ = reader_.position();
  ByteReader ahead = reader_;
  if (ahead.number<unsigned char>() != kProto) {
    if (!keeps_unknown_) refuse(ErrorCode::kFormat, "not a pickle of protocol 2 to 5");
    return;
  }
  const unsigned lowest = keeps_unknown_ ? 0 : 2;
  if (const auto version = ahead.number<unsigned char>(); version < lowest || version > 5) {
    refuse(ErrorCode::kUnsupported, "pickle protocol {}, not one of {} to 5", version, lowest);
  }
  reader_ = ahead;
}

Pickle Machine::run() {
  constexpr unsigned char kStop = '.';
  read_protocol();
  for (;;) {
    opcode_at_ = reader_.position();
    if (reader_.left() == 0) refuse(ErrorCode::kFormat, "the pickle ends without STOP");
    const auto opcode = reader_.number<unsigned char>();
    if (opcode == kStop) break;
    if (!step(opcode)) refuse(ErrorCode::kUnsupported, "opcode 0x{:02x} is not one that a state dict needs", opcode);
  }
  if (!marks_.empty() || stack_.size() != 1) {
    refuse(ErrorCode::kFormat, "{} values on the stack at STOP instead of one", stack_.size());
  }
  result_.root = stack_.back();
  result_.end = reader_.position();
  return std::move(result_);
}

bool Machine::step(unsigned char opcode) {
  return push_literal(opcode) || push_line(opcode) || build_container(opcode) || use_memo(opcode) || refer(opcode);
}

// Opcodes that push a value of their own.
bool Machine::push_literal(unsigned char opcode) {
  switch (opcode) {
    case 'N': push(None{}); return true;
    case 0x88: push(true); return true;
    case 0x89: push(false); return true;
    case 'K': push(std::int64_t{reader_.number<std::uint8_t>()}); return true;
    case 'M': push(std::int64_t{reader_.number<std::uint16_t>()}); return true;
    case 'J': push(std::int64_t{reader_.number<std::int32_t>()}); return true;
    case 0x8a: push_long(reader_.number<std::uint8_t>()); return true;   // LONG1
    case 0x8b: push_long(reader_.number<std::uint32_t>()); return true;  // LONG4
    case 'G': push(std::bit_cast<double>(__builtin_bswap64(reader_.number<std::uint64_t>()))); return true;
    case 0x8c: push_text(reader_.number<std::uint8_t>()); return true;                  // SHORT_BINUNICODE
    case 'X': push_text(reader_.number<std::uint32_t>()); return true;                  // BINUNICODE
    case 0x8d: push_text(reader_.number<std::uint64_t>()); return true;                 // BINUNICODE8
    case 'U': push_string(reader_.text(reader_.number<std::uint8_t>())); return true;   // SHORT_BINSTRING
    case 'T': push_string(reader_.text(reader_.number<std::uint32_t>())); return true;  // BINSTRING
    case 'C': push(Bytes{take_bytes(reader_.number<std::uint8_t>())}); return true;     // SHORT_BINBYTES
    case 'B': push(Bytes{take_bytes(reader_.number<std::uint32_t>())}); return true;    // BINBYTES
    case 0x8e:                                                                          // BINBYTES8
    case 0x96: push(Bytes{take_bytes(reader_.number<std::uint64_t>())}); return true;   // BYTEARRAY8
    case 0x95:                                                                          // FRAME
      if (const auto size = reader_.number<std::uint64_t>(); size > reader_.left()) {
        refuse(ErrorCode::kFormat, "a frame of {} bytes, {} left", size, reader_.left());
      }
      return true;
    default: return false;
  }
}

// Opcodes of protocol 0 that push a value written as text.
bool Machine::push_line(unsigned char opcode) {
  if (opcode == '\0' || std::string_view("ILFSV").find(static_cast<char>(opcode)) == std::string_view::npos)
    return false;
  const std::string_view line = take_line();
  if (opcode == 'I' && (line == "00" || line == "01")) {
    push(line == "01");
  } else if (opcode == 'I' || opcode == 'L') {
    if (const auto number = parse_integer(line)) return push(*number), true;
    if (line.size() < 18 || line.find_first_not_of("-0123456789L") != std::string_view::npos)
      refuse(ErrorCode::kFormat, "the pickle is damaged: no whole number");
    push(Text{line});  // beyond 64 bits
  } else if (opcode == 'F') {
    const auto number = parse_float(line);
    if (!number) refuse(ErrorCode::kFormat, "the pickle is damaged: no number");
    push(*number);
  } else {
    auto text = opcode == 'S' ? parse_quoted(line) : parse_unicode(line);
    if (!text) refuse(ErrorCode::kFormat, "the pickle is damaged: no quoted text");
    push_string(keep(*std::move(text)));
  }
  return true;
}

// Opcodes that make tuples, lists, sets and dictionaries and fill them.
bool Machine::build_container(unsigned char opcode) {
  switch (opcode) {
    case '(':
      if (marks_.size() == kMaxMarks) refuse(ErrorCode::kLimit, "nested deeper than {}", kMaxMarks);
      marks_.push_back(stack_.size());
      return true;
    case ')': push_object(Kind::kTuple, {}); return true;
    case 't': push_object(Kind::kTuple, pop_items(pop_mark())); return true;
    case 0x85:
    case 0x86:
    case 0x87: {  // TUPLE1 to TUPLE3
      const std::size_t count = opcode - 0x84U;
      const std::size_t base = marks_.empty() ? 0 : marks_.back();
      if (stack_.size() - base < count) refuse(ErrorCode::kFormat, "the pickle is damaged: the stack is empty");
      push_object(Kind::kTuple, pop_items(stack_.size() - count));
      return true;
    }
    case ']': push_object(Kind::kList, {}); return true;
    case 'l': push_object(Kind::kList, pop_items(pop_mark())); return true;
    case 'a': append_items(stack_.size() - 1, Kind::kList, "a list"); return true;
    case 'e': append_items(pop_mark(), Kind::kList, "a list"); return true;
    case '}': push_object(Kind::kDict, {}); return true;
    case 'd':
      push_object(Kind::kDict, pop_items(pop_mark()));
      if (result_.objects.back().items.size() % 2 != 0)
        refuse(ErrorCode::kFormat, "the pickle is damaged: a key without a value");
      return true;
    case 's': append_items(stack_.size() - 2, Kind::kDict, "a dictionary"); return true;
    case 'u': append_items(pop_mark(), Kind::kDict, "a dictionary"); return true;
    case 0x8f: push_object(Kind::kSet, {}); return true;                     // EMPTY_SET
    case 0x90: append_items(pop_mark(), Kind::kSet, "a set"); return true;   // ADDITEMS
    case 0x91: push_object(Kind::kSet, pop_items(pop_mark())); return true;  // FROZENSET
    default: return false;
  }
}

// Opcodes that move values between stack and memo.
bool Machine::use_memo(unsigned char opcode) {
  switch (opcode) {
    case 'q': put(reader_.number<std::uint8_t>()); return true;
    case 'r': put(reader_.number<std::uint32_t>()); return true;
    case 0x94: put(static_cast<std::uint32_t>(memo_.size())); return true;  // MEMOIZE
    case 'p': put(take_index()); return true;
    case 'h': get(reader_.number<std::uint8_t>()); return true;
    case 'g': get(take_index()); return true;
    case 'j': get(reader_.number<std::uint32_t>()); return true;
    case '0': pop(); return true;
    case '1': stack_.resize(pop_mark()); return true;
    case '2': push(Value(top())); return true;
    default: return false;
  }
}

void Machine::push(Value value) {
  if (stack_.size() == kMaxStack) refuse(ErrorCode::kLimit, "more than {} values on the stack", kMaxStack);
  stack_.push_back(value);
}

// The last value that was pushed since the last mark.
Value& Machine::top() {
  if (stack_.size() == (marks_.empty() ? 0 : marks_.back()))
    refuse(ErrorCode::kFormat, "the pickle is damaged: the stack is empty");
  return stack_.back();
}

Value Machine::pop() {
  const Value value = top();
  stack_.pop_back();
  return value;
}

std::size_t Machine::pop_mark() {
  if (marks_.empty()) refuse(ErrorCode::kFormat, "the pickle is damaged: there is no mark on the stack");
  const std::size_t mark = marks_.back();
  marks_.pop_back();
  return mark;
}

std::vector<Value> Machine::pop_items(std::size_t first) {
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(first);
  std::vector<Value> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  return items;
}

// Long ones, the values of arrays and storages, are left where they are until somebody asks for them.
std::string_view Machine::take_bytes(std::uint64_t size) {
  if (size <= kMaxLoadedBytes) return reader_.text(size);
  const std::span<const std::byte> bytes = reader_.skip(size);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Without the line's end, which Python looks for without limit as well.
std::string_view Machine::take_line() {
  constexpr std::size_t kStep = 256;  // no more of a file is loaded than is read
  ByteReader ahead = reader_;
  std::size_t size = 0;
  while (ahead.left() > 0) {
    const std::string_view step = ahead.text(std::min(kStep, ahead.left()));
    const std::size_t end = step.find('\n');
    size += std::min(end, step.size());
    if (end == std::string_view::npos) continue;
    const std::string_view line = reader_.text(size);
    reader_.take(1);
    return line;
  }
  refuse(ErrorCode::kFormat, "the pickle is damaged: a line is cut off");
}

std::uint32_t Machine::take_index() {
  const auto index = parse_integer(take_line());
  if (!index || *index < 0 || *index > UINT32_MAX)
    refuse(ErrorCode::kFormat, "the pickle is damaged: no index of the memo");
  return static_cast<std::uint32_t>(*index);
}

std::string_view Machine::keep(std::string text) {
  budget_.charge(sizeof(std::string) + text.size() + 16, "pickled texts");
  return result_.texts.emplace_back(std::move(text));
}

void Machine::push_object(Kind kind, std::vector<Value> items, const Global* callee) {
  budget_.charge(sizeof(Object) + sizeof(Value) + items.size() * sizeof(Value), "pickled objects");
  Object& object = result_.objects.emplace_back();
  object.kind = kind;
  object.items = std::move(items);
  object.callee = callee;
  push(&object);
}

// What is filled of an object when items of this kind are put into it.
std::vector<Value>& Machine::items_of(Object& object, Kind kind, const char* what) {
  if (object.kind == kind) return object.items;
  if (object.kind != Kind::kCall || !keeps_unknown_)
    refuse(ErrorCode::kFormat, "the pickle is damaged: items for something that is not {}", what);
  Object*& part = (kind == Kind::kDict ? result_.entries : result_.elements)[&object];
  if (part == nullptr) {
    budget_.charge(sizeof(Object) + kPartBytes, "pickled objects");
    part = &result_.objects.emplace_back();
    part->kind = kind == Kind::kDict ? Kind::kDict : Kind::kList;
  }
  return part->items;
}

// Moves the values from `first` on into the container below them.
void Machine::append_items(std::size_t first, Kind kind, const char* what) {
  const std::size_t base = marks_.empty() ? 0 : marks_.back();
  if (first > stack_.size() || first <= base) refuse(ErrorCode::kFormat, "the pickle is damaged: the stack is empty");
  Object* const* object = std::get_if<Object*>(&stack_[first - 1]);
  if (object == nullptr) refuse(ErrorCode::kFormat, "the pickle is damaged: items for something that is not {}", what);
  std::vector<Value>& target = items_of(**object, kind, what);
  const std::vector<Value> items = pop_items(first);
  if (kind == Kind::kDict && items.size() % 2 != 0)
    refuse(ErrorCode::kFormat, "the pickle is damaged: a key without a value");
  budget_.charge(2 * items.size() * sizeof(Value), "pickled objects");
  target.insert(target.end(), items.begin(), items.end());
}

// Python writes surrogates, which are no UTF-8, where the name of a file was no text.
void Machine::push_text(std::uint64_t size) {
  const std::string_view text = reader_.text(size);
  const std::size_t valid = valid_utf8_prefix(text);
  if (valid == text.size()) return push(Text{text});
  if (text[valid] != '\xED') refuse(ErrorCode::kFormat, "text '{}' is not UTF-8", one_line(text));
  push(Bytes{text});
}

void Machine::push_long(std::uint64_t size) {
  const std::string_view bytes = reader_.text(size);
  if (size > 8) return push(Long{bytes});
  const bool negative = size > 0 && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0;
  std::int64_t value = negative ? -1 : 0;
  std::memcpy(&value, bytes.data(), size);
  push(value);
}

// Python 2's strings are text or bytes; nothing says which.
void Machine::push_string(std::string_view bytes) {
  if (valid_utf8_prefix(bytes) == bytes.size()) return push(Text{bytes});
  push(Bytes{bytes});
}

void Machine::put(std::uint32_t index) {
  const Value value = top();
  if (index >= memo_.size()) {
    budget_.charge((index + std::size_t{1} - memo_.size()) * sizeof(Value), "memo entries of a pickle");
    memo_.resize(index + std::size_t{1}, static_cast<Object*>(nullptr));
  }
  memo_[index] = value;
}

void Machine::get(std::uint32_t index) {
  const Value empty = static_cast<Object*>(nullptr);
  const Value& value = index < memo_.size() ? memo_[index] : empty;
  if (Object* const* object = std::get_if<Object*>(&value); object != nullptr && *object == nullptr) {
    refuse(ErrorCode::kFormat, "memo entry {} is empty", index);
  }
  push(value);
}

Pickle read_pickle(std::span<const std::byte> bytes, std::size_t begin, const std::string& where, MemoryBudget& budget,
                   Unknown unknown) {
  return read_pickle(ByteReader(bytes, where, begin), budget, unknown);
}

Pickle read_pickle(ByteReader bytes, MemoryBudget& budget, Unknown unknown) {
  return Machine(std::move(bytes), budget, unknown).run();
}

const Object* as(const Value& value, Kind kind) noexcept {
  Object* const* object = std::get_if<Object*>(&value);
  return object != nullptr && (*object)->kind == kind ? *object : nullptr;
}

const std::string_view* as_text(const Value& value) noexcept {
  const Text* text = std::get_if<Text>(&value);
  return text == nullptr ? nullptr : &text->text;
}

}  // namespace resnet::pickle
