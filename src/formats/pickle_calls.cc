// What a pickle refers to by name, calls and puts into objects: records of it, nothing is made.
#include <optional>

#include "base/text.h"
#include "formats/joblib_array.h"
#include "formats/pickle_machine.h"

namespace resnet::pickle {

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
      if (!as_text(name) || !as_text(module))
        refuse(ErrorCode::kFormat, "the pickle is damaged: a global whose name is not text");
      push_global(*as_text(module), *as_text(name));
      return true;
    }
    case 'R':                                 // REDUCE
    case 0x81: call(); return true;           // NEWOBJ
    case 0x92: call_extended(); return true;  // NEWOBJ_EX
    case 'i': {                               // INST
      const std::string_view module = take_line();
      const Global* callee = find_name(module, take_line());
      call(callee, pop_items(pop_mark()));
      return true;
    }
    case 'o': {  // OBJ
      std::vector<Value> items = pop_items(pop_mark());
      if (items.empty()) refuse(ErrorCode::kFormat, "the pickle is damaged: the stack is empty");
      const Value callee = items.front();
      items.erase(items.begin());
      call(callee, std::move(items));
      return true;
    }
    case 'b': set_state(); return true;           // BUILD
    case 'Q': refer_outside(pop()); return true;  // BINPERSID
    case 'P': refer_outside(Text{take_line()}); return true;
    case 0x82: push_global("copyreg", keep(fmt::format("extension {}", reader_.number<std::uint8_t>()))); return true;
    case 0x83: push_global("copyreg", keep(fmt::format("extension {}", reader_.number<std::uint16_t>()))); return true;
    case 0x84: push_global("copyreg", keep(fmt::format("extension {}", reader_.number<std::uint32_t>()))); return true;
    case 0x97:
    case 0x98:
      refuse(ErrorCode::kUnsupported,
             "its buffers are in another file: pickle.dump() without a buffer_callback keeps them in one");
    default: return false;
  }
}

const Global* Machine::find_name(std::string_view module, std::string_view name) {
  if (const Global* global = find_global(module, name)) return global;
  if (!keeps_unknown_) {
    refuse(ErrorCode::kUnsupported, "'{}.{}' is not one of the names that a state dict needs", one_line(module),
           one_line(name));
  }
  const Global*& known = unknown_[fmt::format("{}\n{}", module, name)];
  if (known == nullptr) {
    budget_.charge(sizeof(Global) + module.size() + name.size() + 2 * kPartBytes, "names in a pickle");
    known = &result_.unknown.emplace_back(Global{module, name, GlobalRole::kOpaque});
  }
  return known;
}

void Machine::push_global(std::string_view module, std::string_view name) { push(find_name(module, name)); }

// REDUCE and NEWOBJ: a callable and a tuple of arguments.
void Machine::call() {
  const Value arguments = pop();
  const Value callee = pop();
  const Object* tuple = as(arguments, Kind::kTuple);
  if (tuple == nullptr) refuse(ErrorCode::kFormat, "the pickle is damaged: a call of something that cannot be called");
  call(callee, tuple->items);
}

// NEWOBJ_EX: a class, a tuple of arguments and a dictionary of named ones.
void Machine::call_extended() {
  const Value named = pop();
  const Value arguments = pop();
  const Value callee = pop();
  const Object* tuple = as(arguments, Kind::kTuple);
  if (tuple == nullptr || as(named, Kind::kDict) == nullptr) {
    refuse(ErrorCode::kFormat, "the pickle is damaged: a call of something that cannot be called");
  }
  std::vector<Value> items = tuple->items;
  items.push_back(named);
  call(callee, std::move(items));
}

// A call becomes a record, or a dictionary.
void Machine::call(const Value& callee, std::vector<Value> arguments) {
  static constexpr Global kNameless = {"", "call", GlobalRole::kOpaque};
  const Global* const* global = std::get_if<const Global*>(&callee);
  if (global == nullptr) {  // what an object makes that is called
    Object* const* object = std::get_if<Object*>(&callee);
    if (object == nullptr || !keeps_unknown_)
      refuse(ErrorCode::kFormat, "the pickle is damaged: a call of something that cannot be called");
    arguments.insert(arguments.begin(), callee);
    return push_object(Kind::kCall, std::move(arguments), &kNameless);
  }
  if ((*global)->role == GlobalRole::kDict) return make_dict(*global, arguments);
  if ((*global)->role == GlobalRole::kStorage || (*global)->role == GlobalRole::kDType) {
    refuse(ErrorCode::kUnsupported, "a call of '{}.{}'", (*global)->module, (*global)->name);
  }
  const Global* const* made = nullptr;  // the class of an object is the first argument
  if ((*global)->role == GlobalRole::kMakeObject && !arguments.empty())
    made = std::get_if<const Global*>(&arguments[0]);
  if (made == nullptr) return push_object(Kind::kCall, std::move(arguments), *global);
  const bool bare = arguments.size() == 3 && std::holds_alternative<None>(arguments[2]);  // (class, object, None)
  std::vector<Value> rest;
  if (!bare) rest.assign(arguments.begin() + 1, arguments.end());
  push_object(Kind::kCall, std::move(rest), *made);
}

// OrderedDict(), OrderedDict([[key, value], ...]), as Python 2 pickles it, and Counter({...}); the arguments of their
// kin do not matter.
void Machine::make_dict(const Global* callee, const std::vector<Value>& arguments) {
  std::vector<Value> items;
  const Object* pairs = arguments.empty() ? nullptr : as(arguments[0], Kind::kList);
  if (pairs != nullptr && callee->name == "OrderedDict") {
    for (const Value& value : pairs->items) {
      const Object* pair = as(value, Kind::kList) != nullptr ? as(value, Kind::kList) : as(value, Kind::kTuple);
      if (pair == nullptr || pair->items.size() != 2)
        refuse(ErrorCode::kFormat, "the pickle is damaged: a key without a value");
      items.insert(items.end(), pair->items.begin(), pair->items.end());
    }
  }
  const Object* counted = arguments.empty() ? nullptr : as(arguments[0], Kind::kDict);
  if (counted != nullptr && callee->name == "Counter") items = counted->items;
  push_object(Kind::kDict, std::move(items), callee);
}

// BINPERSID and PERSID. Files before PyTorch 1.6 name the class of a module so, with its source.
void Machine::refer_outside(const Value& id) {
  const Object* tuple = as(id, Kind::kTuple);
  if (tuple == nullptr) {
    if (!keeps_unknown_) refuse(ErrorCode::kFormat, "the pickle is damaged: a persistent id that is not a tuple");
    return push_object(Kind::kPersistent, {id});
  }
  const std::string_view* kind = tuple->items.empty() ? nullptr : as_text(tuple->items[0]);
  const bool is_class = kind != nullptr && *kind == "module" && tuple->items.size() > 1;
  if (is_class && std::holds_alternative<const Global*>(tuple->items[1])) return push(Value(tuple->items[1]));
  const bool is_bare = tuple->items.size() == 3 && std::holds_alternative<const Global*>(tuple->items[0]);
  if (is_bare && keeps_unknown_) return push(Value(tuple->items[0]));  // (class, file, source), before 0.2
  push_object(Kind::kPersistent, tuple->items);
}

// BUILD: the state of what a call made is kept; attributes of a dictionary, such as a state dict's _metadata, are
// dropped.
void Machine::set_state() {
  const Value state = pop();
  Object* const* object = std::get_if<Object*>(&top());
  if (object == nullptr || ((*object)->kind != Kind::kDict && (*object)->kind != Kind::kCall)) {
    refuse(ErrorCode::kFormat, "the pickle is damaged: attributes for something that has none");
  }
  if ((*object)->kind != Kind::kCall) return;
  budget_.charge(kPartBytes, "pickled states");
  result_.states.insert_or_assign(*object, state);
  if (keeps_unknown_ && (*object)->callee->role == GlobalRole::kJoblibArray) attach_array(**object);
}

// The values of joblib's arrays stand in the stream behind the object.
void Machine::attach_array(const Object& object) {
  const std::optional<JoblibArray> array = joblib_array(result_, object);
  if (!array) refuse(ErrorCode::kFormat, "an array of joblib whose size is not known");
  if (!array->bytes) {  // objects, in a pickle of their own that holds no arrays of this kind
    const std::size_t end = Machine(reader_, budget_, Unknown::kRefuse).run().end;
    reader_.skip(end - reader_.position());
    return;
  }
  if (array->padded) reader_.skip(reader_.number<std::uint8_t>());
  const std::span<const std::byte> bytes = reader_.skip(*array->bytes);
  budget_.charge(kPartBytes, "arrays of a pickle");
  result_.attached.insert_or_assign(&object, Bytes{{reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
}

}  // namespace resnet::pickle
