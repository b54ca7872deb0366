#include "formats/pickle.h"

#include <bit>
#include <utility>

#include "base/text.h"
#include "formats/byte_reader.h"

namespace resnet::pickle {
namespace {

constexpr std::size_t kMaxStack = 100'000;  // values; Python pickles lists and dictionaries 1,000 at a time
constexpr std::size_t kMaxMarks = 1'000;    // open tuples, lists and dictionaries: depth of nesting

class Machine {
 public:
  Machine(ByteReader bytes, MemoryBudget& budget) : reader_(std::move(bytes)), budget_(budget) {}

  Pickle run();

 private:
  bool step(unsigned char opcode);  // false for an opcode that is not known
  bool push_literal(unsigned char opcode);
  bool build_container(unsigned char opcode);
  bool use_memo(unsigned char opcode);
  bool refer(unsigned char opcode);

  template <typename... Args>
  [[noreturn]] void refuse(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) const {
    fail(code, fmt::format("{}: offset {}", reader_.where(), opcode_at_), format, std::forward<Args>(args)...);
  }

  void push(Value value);
  Value pop();
  Value& top();
  std::size_t pop_mark();
  std::vector<Value> pop_items(std::size_t first);
  std::string_view take_text(std::uint64_t size);
  std::string_view take_line();

  void push_object(Kind kind, std::vector<Value> items, const Global* callee = nullptr);
  void append_items(std::size_t first, Kind kind, const char* what);
  void push_long(std::uint64_t size);
  void push_string(std::string_view bytes);
  void put(std::uint32_t index);
  void get(std::uint32_t index);
  void push_global(std::string_view module, std::string_view name);
  void call();
  void make_dict(const Global* callee, const std::vector<Value>& arguments);
  void set_state();

  ByteReader reader_;
  MemoryBudget& budget_;
  std::size_t opcode_at_ = 0;
  std::vector<Value> stack_;
  std::vector<std::size_t> marks_;
  std::deque<Value> memo_;
  Pickle result_;
};

Pickle Machine::run() {
  constexpr unsigned char kProto = 0x80;
  constexpr unsigned char kStop = '.';
  opcode_at_ = reader_.position();
  if (reader_.number<unsigned char>() != kProto) refuse(ErrorCode::kFormat, "not a pickle of protocol 2 to 5");
  if (const auto version = reader_.number<unsigned char>(); version < 2 || version > 5) {
    refuse(ErrorCode::kUnsupported, "pickle protocol {}, not one of 2 to 5", version);
  }
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
  return push_literal(opcode) || build_container(opcode) || use_memo(opcode) || refer(opcode);
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
    case 0x8c: push(Text{take_text(reader_.number<std::uint8_t>())}); return true;       // SHORT_BINUNICODE
    case 'X': push(Text{take_text(reader_.number<std::uint32_t>())}); return true;       // BINUNICODE
    case 0x8d: push(Text{take_text(reader_.number<std::uint64_t>())}); return true;      // BINUNICODE8
    case 'U': push_string(reader_.text(reader_.number<std::uint8_t>())); return true;    // SHORT_BINSTRING
    case 'T': push_string(reader_.text(reader_.number<std::uint32_t>())); return true;   // BINSTRING
    case 'C': push(Bytes{reader_.text(reader_.number<std::uint8_t>())}); return true;    // SHORT_BINBYTES
    case 'B': push(Bytes{reader_.text(reader_.number<std::uint32_t>())}); return true;   // BINBYTES
    case 0x8e:                                                                           // BINBYTES8
    case 0x96: push(Bytes{reader_.text(reader_.number<std::uint64_t>())}); return true;  // BYTEARRAY8
    case 0x95:                                                                           // FRAME
      if (const auto size = reader_.number<std::uint64_t>(); size > reader_.left()) {
        refuse(ErrorCode::kFormat, "a frame of {} bytes, {} left", size, reader_.left());
      }
      return true;
    default: return false;
  }
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
      if (stack_.size() - base < count) refuse(ErrorCode::kFormat, "the stack is empty");
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
      if (result_.objects.back().items.size() % 2 != 0) refuse(ErrorCode::kFormat, "a key without a value");
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
    case 'h': get(reader_.number<std::uint8_t>()); return true;
    case 'j': get(reader_.number<std::uint32_t>()); return true;
    case '0': pop(); return true;
    case '1': stack_.resize(pop_mark()); return true;
    case '2': push(Value(top())); return true;
    default: return false;
  }
}

// Opcodes that refer to names, calls and things outside of the pickle.
bool Machine::refer(unsigned char opcode) {
  switch (opcode) {
    case 'c': {
      const std::string_view module = take_line();
      push_global(module, take_line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const Value name = pop();
      const Value module = pop();
      if (!as_text(name) || !as_text(module)) refuse(ErrorCode::kFormat, "a global whose name is not text");
      push_global(*as_text(module), *as_text(name));
      return true;
    }
    case 'R':                            // REDUCE
    case 0x81: call(); return true;      // NEWOBJ
    case 'b': set_state(); return true;  // BUILD
    case 'Q': {                          // BINPERSID
      const Value id = pop();
      const Object* tuple = as(id, Kind::kTuple);
      if (tuple == nullptr) refuse(ErrorCode::kFormat, "a persistent id that is not a tuple");
      push_object(Kind::kPersistent, tuple->items);
      return true;
    }
    default: return false;
  }
}

void Machine::push(Value value) {
  if (stack_.size() == kMaxStack) refuse(ErrorCode::kLimit, "more than {} values on the stack", kMaxStack);
  stack_.push_back(value);
}

// The last value that was pushed since the last mark.
Value& Machine::top() {
  if (stack_.size() == (marks_.empty() ? 0 : marks_.back())) refuse(ErrorCode::kFormat, "the stack is empty");
  return stack_.back();
}

Value Machine::pop() {
  const Value value = top();
  stack_.pop_back();
  return value;
}

std::size_t Machine::pop_mark() {
  if (marks_.empty()) refuse(ErrorCode::kFormat, "there is no mark on the stack");
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

std::string_view Machine::take_text(std::uint64_t size) {
  const std::string_view text = reader_.text(size);
  if (valid_utf8_prefix(text) != text.size()) refuse(ErrorCode::kFormat, "text '{}' is not UTF-8", one_line(text));
  return text;
}

std::string_view Machine::take_line() {
  ByteReader ahead = reader_;
  const std::string_view rest = ahead.text(ahead.left());
  const std::size_t size = rest.find('\n');
  if (size == std::string_view::npos) refuse(ErrorCode::kFormat, "the name of a global is cut off");
  reader_.take(size + 1);
  return rest.substr(0, size);
}

void Machine::push_object(Kind kind, std::vector<Value> items, const Global* callee) {
  budget_.charge(sizeof(Object) + sizeof(Value) + items.size() * sizeof(Value), "pickled objects");
  result_.objects.push_back({kind, std::move(items), callee});
  push(&result_.objects.back());
}

// Moves the values from `first` on into the container below them.
void Machine::append_items(std::size_t first, Kind kind, const char* what) {
  const std::size_t base = marks_.empty() ? 0 : marks_.back();
  if (first > stack_.size() || first <= base) refuse(ErrorCode::kFormat, "the stack is empty");
  Object* const* object = std::get_if<Object*>(&stack_[first - 1]);
  if (object == nullptr || (*object)->kind != kind)
    refuse(ErrorCode::kFormat, "items for something that is not {}", what);
  std::vector<Value>& target = (*object)->items;
  const std::vector<Value> items = pop_items(first);
  if (kind == Kind::kDict && items.size() % 2 != 0) refuse(ErrorCode::kFormat, "a key without a value");
  budget_.charge(2 * items.size() * sizeof(Value), "pickled objects");
  target.insert(target.end(), items.begin(), items.end());
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

void Machine::push_global(std::string_view module, std::string_view name) {
  const Global* global = find_global(module, name);
  const std::string full_name = one_line(module) + "." + one_line(name);
  if (global == nullptr && is_model_class(module, name)) {
    refuse(ErrorCode::kUnsupported,
           "a pickled object of class '{}': a whole model cannot be read, save its state_dict() instead", full_name);
  }
  if (global == nullptr) {
    refuse(ErrorCode::kUnsupported, "'{}' is not one of the names that a state dict needs", full_name);
  }
  push(global);
}

// REDUCE and NEWOBJ: a callable and a tuple of arguments become a record of the call, or a dictionary.
void Machine::call() {
  const Value arguments = pop();
  const Value callee = pop();
  const Global* const* global = std::get_if<const Global*>(&callee);
  const Object* tuple = as(arguments, Kind::kTuple);
  if (global == nullptr || tuple == nullptr) refuse(ErrorCode::kFormat, "a call of something that cannot be called");
  if ((*global)->role == GlobalRole::kDict) return make_dict(*global, tuple->items);
  if ((*global)->role == GlobalRole::kStorage || (*global)->role == GlobalRole::kDType) {
    refuse(ErrorCode::kUnsupported, "a call of '{}.{}'", (*global)->module, (*global)->name);
  }
  push_object(Kind::kCall, tuple->items, *global);
}

// OrderedDict() and, as Python 2 pickles it, OrderedDict([[key, value], ...]); the arguments of its kin do not matter.
void Machine::make_dict(const Global* callee, const std::vector<Value>& arguments) {
  std::vector<Value> items;
  const Object* pairs = arguments.empty() ? nullptr : as(arguments[0], Kind::kList);
  if (pairs != nullptr && callee->name == "OrderedDict") {
    for (const Value& value : pairs->items) {
      const Object* pair = as(value, Kind::kList) != nullptr ? as(value, Kind::kList) : as(value, Kind::kTuple);
      if (pair == nullptr || pair->items.size() != 2) refuse(ErrorCode::kFormat, "a key without a value");
      items.insert(items.end(), pair->items.begin(), pair->items.end());
    }
  }
  push_object(Kind::kDict, std::move(items), callee);
}

// BUILD: the state of what a call made is kept; attributes of a dictionary, such as a state dict's _metadata, are
// dropped.
void Machine::set_state() {
  const Value state = pop();
  Object* const* object = std::get_if<Object*>(&top());
  if (object == nullptr || ((*object)->kind != Kind::kDict && (*object)->kind != Kind::kCall)) {
    refuse(ErrorCode::kFormat, "attributes for something that has none");
  }
  if ((*object)->kind != Kind::kCall) return;
  constexpr std::size_t kEntry = 64;  // bytes of a map's entry and its place in the table
  budget_.charge(kEntry, "pickled states");
  result_.states.insert_or_assign(*object, state);
}

}  // namespace

Pickle read_pickle(std::span<const std::byte> bytes, std::size_t begin, const std::string& where,
                   MemoryBudget& budget) {
  return read_pickle(ByteReader(bytes, where, begin), budget);
}

Pickle read_pickle(ByteReader bytes, MemoryBudget& budget) { return Machine(std::move(bytes), budget).run(); }

const Object* as(const Value& value, Kind kind) noexcept {
  Object* const* object = std::get_if<Object*>(&value);
  return object != nullptr && (*object)->kind == kind ? *object : nullptr;
}

const std::string_view* as_text(const Value& value) noexcept {
  const Text* text = std::get_if<Text>(&value);
  return text == nullptr ? nullptr : &text->text;
}

}  // namespace resnet::pickle
