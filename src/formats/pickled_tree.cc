#include "formats/pickled_tree.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"
#include "formats/numpy_objects.h"
#include "formats/plain_values.h"

namespace resnet {
namespace {

using pickle::Kind;
using pickle::Object;
using pickle::Value;

constexpr std::size_t kMaxPath = std::size_t{1} << 16;
constexpr std::size_t kWorkBytes = 64;    // of text that are as much work as a value
constexpr std::size_t kEntryBytes = 128;  // of a value or an opaque part beside its text

std::string class_name(const Global& global) {
  if (global.module.empty()) return one_line(global.name);
  return one_line(global.module) + "." + one_line(global.name);
}

// The part of an error's message behind its place.
std::string reason_of(const Error& error) {
  const std::string message = error.what();
  return message.substr(std::min(message.size(), error.where().size() + 2));
}

class TreeReader {
 public:
  TreeReader(const PickleSource& source, TensorFile& file)
      : source_(source), values_(source.pickle), file_(file), path_(source.base), work_left_(work_of(source.pickle)) {}

  void read() {
    // The top is gone into also where all of it is plain, so that its keys are paths.
    const Object* top = pickle::as(source_.pickle.root, Kind::kDict);
    if (top != nullptr) {
      open(*top);
    } else {
      visit(source_.pickle.root);
    }
  }

 private:
  using Names = std::unordered_set<std::string_view>;

  // A step of the path, taken back when the scope ends.
  class Step {
   public:
    Step(TreeReader& reader, std::string_view name) : path_(reader.path_), size_(path_.size()) {
      if (path_.size() + name.size() >= kMaxPath) {
        fail(ErrorCode::kLimit, reader.source_.path, "a path of more than {} bytes: {}", kMaxPath, one_line(path_));
      }
      reader.work(name.size() / kWorkBytes);
      if (!path_.empty()) path_ += '.';
      path_ += name;
    }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() { path_.resize(size_); }

   private:
    std::string& path_;
    std::size_t size_;
  };

  // A container that somebody is going through.
  struct Frame {
    const Object* object;
    std::size_t path_size;
    std::optional<std::size_t> listed;  // its place among the file's containers, once it has a tensor
  };

  class Within {
   public:
    Within(TreeReader& reader, const Object& object) : frames_(reader.frames_) {
      frames_.push_back({&object, reader.path_.size(), std::nullopt});
    }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;
    ~Within() { frames_.pop_back(); }

   private:
    std::vector<Frame>& frames_;
  };

  void count_tensor() {
    if (frames_.empty()) return;
    Frame& frame = frames_.back();
    if (!frame.listed) {
      TensorContainer container = {path_.substr(0, frame.path_size), type_of(*frame.object), 0};
      charge(container.path.size() + container.type.size() + sizeof(container));
      frame.listed = file_.containers.size();
      file_.containers.push_back(std::move(container));
    }
    ++file_.containers[*frame.listed].tensors;
  }

  // How many values may be looked at: an object that stands in many places, with others in it that do, must not take
  // for ever.
  static std::size_t work_of(const pickle::Pickle& pickle) {
    std::size_t items = 100'000;
    for (const Object& object : pickle.objects) items += 4 * (1 + object.items.size());
    return items;
  }

  void charge(std::size_t bytes) { source_.budget->charge(bytes, "values of a pickle"); }

  void work(std::size_t values) {
    if (values > work_left_) fail(ErrorCode::kLimit, source_.path, "its objects refer to one another too often");
    work_left_ -= values;
  }

  void visit(const Value& value) {
    work(1);
    const TensorCall tensor = find_tensor(value);
    if (tensor.function != nullptr) return add_tensor([&] { return source_.tensors.read(tensor, place()); });
    if (values_.is_plain(value)) return add_value(value);
    if (const Global* const* global = std::get_if<const Global*>(&value)) return add_opaque(class_name(**global), "");
    const Object& object = **std::get_if<Object*>(&value);
    if (object.kind == Kind::kPersistent) {
      if (!source_.outside) return add_persistent(object);
      return add_tensor([&] { return source_.outside(object, place()); });
    }
    if (is_numpy_array(object) || (object.kind == Kind::kCall && object.callee->role == GlobalRole::kNumpyScalar)) {
      auto text = read_numpy_text(source_.pickle, object, source_.bytes, source_.budget, place(), kMaxValueJson);
      if (text) return add_json(*std::move(text));
    }
    if (is_numpy_array(object)) {
      return add_tensor(
          [&] { return read_numpy_array(source_.pickle, object, source_.bytes, source_.budget, place()); });
    }
    if (object.open) return;  // it stands within itself
    if (depth_ == kMaxPickleDepth) return add_opaque(type_of(object), "is nested too deep");
    object.open = true;
    ++depth_;
    open(object);
    --depth_;
    object.open = false;
  }

  std::string place() const { return fmt::format("{}: tensor '{}'", source_.path, one_line(path_)); }

  static std::string type_of(const Object& object) {
    switch (object.kind) {
      case Kind::kDict: return "dict";
      case Kind::kTuple: return "tuple";
      case Kind::kList: return "list";
      case Kind::kSet: return "set";
      case Kind::kPersistent: return "storage";
      case Kind::kCall: return class_name(*object.callee);
    }
    return "";
  }

  void open(const Object& object) {
    if (object.kind == Kind::kCall) return open_call(object);
    const Within within(*this, object);
    if (object.kind == Kind::kDict) return open_dict(object);
    open_list(object);
  }

  void open_dict(const Object& dict) {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Step step(*this, values_.key(dict.items[i], i / 2));
      visit(dict.items[i + 1]);
    }
  }

  void open_list(const Object& list) {
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      const Step step(*this, std::to_string(i));
      visit(list.items[i]);
    }
  }

  // An object of a class that nobody here knows: what it was called with, its attributes and its items.
  void open_call(const Object& call) {
    const Global& callee = *call.callee;
    if (callee.role == GlobalRole::kRebuildParameter) {
      if (!call.items.empty() && may_be_tensor(call.items[0])) return visit(call.items[0]);
      fail(ErrorCode::kFormat, place(), "a parameter that is no tensor");
    }
    const bool rebuilds = callee.name.starts_with("_rebuild") && callee.module.starts_with("torch");
    if (rebuilds || callee.role == GlobalRole::kRebuildSubclass) {
      return add_opaque("torch.Tensor", fmt::format("is made by {}", class_name(callee)));
    }
    if (callee.role == GlobalRole::kFirst && !call.items.empty()) return visit(call.items[0]);
    const Object* attributes = attributes_of(call);
    if (attributes != nullptr) work(attributes->items.size() / 2);  // that are looked through
    if (attributes != nullptr && is_module(call, *attributes)) {
      const Within within(*this, call);
      return open_module(call, *attributes);
    }
    const bool names_only = callee.role == GlobalRole::kNamespace;
    const auto entries = source_.pickle.entries.find(&call);
    const auto elements = source_.pickle.elements.find(&call);
    const auto state = source_.pickle.states.find(&call);
    const bool filled = entries != source_.pickle.entries.end() || elements != source_.pickle.elements.end();
    if (!names_only && !filled && std::exchange(call.mark, kSeen) == kSeen) {
      return add_opaque(class_name(callee), "");  // with all that is in it, which is listed once
    }
    if (!names_only) add_opaque(class_name(callee), "");
    const Within within(*this, call);
    if (!call.items.empty()) open_arguments(call);
    if (state != source_.pickle.states.end()) open_state(state->second);
    if (entries != source_.pickle.entries.end()) open_dict(*entries->second);
    if (elements != source_.pickle.elements.end()) open_list(*elements->second);
  }

  // The dictionary of attributes that BUILD gave; null where there is none.
  const Object* attributes_of(const Object& call) const {
    const auto state = source_.pickle.states.find(&call);
    return state == source_.pickle.states.end() ? nullptr : pickle::as(state->second, Kind::kDict);
  }

  static const Value* find(const Object& dict, std::string_view wanted) {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const std::string_view* key = pickle::as_text(dict.items[i]);
      if (key != nullptr && *key == wanted) return &dict.items[i + 1];
    }
    return nullptr;
  }

  static const Object* dict_at(const Object& dict, std::string_view wanted) {
    const Value* value = find(dict, wanted);
    return value == nullptr ? nullptr : pickle::as(*value, Kind::kDict);
  }

  // TorchScript's modules have their parameters and modules among their attributes.
  static bool is_script(const Object& call) { return call.callee->module.starts_with("__torch__"); }

  static bool is_module(const Object& call, const Object& attributes) {
    return is_script(call) ||
           (dict_at(attributes, "_modules") != nullptr && dict_at(attributes, "_parameters") != nullptr);
  }

  // A module of PyTorch: its state dict under the names that it has there, its class and its attributes as values.
  void open_module(const Object& module, const Object& attributes) {
    {
      const Step step(*this, "__class__");
      add_json(json_string(class_name(*module.callee)));
    }
    if (is_script(module)) return open_script(attributes);
    const Names hidden = texts_of(find(attributes, "_non_persistent_buffers_set"));
    for (const char* part : {"_parameters", "_buffers"}) {
      if (const Object* tensors = dict_at(attributes, part)) open_registered(*tensors, hidden);
    }
    open_children(*dict_at(attributes, "_modules"));
    for (std::size_t i = 0; i + 1 < attributes.items.size(); i += 2) open_attribute(attributes, i);
  }

  void open_script(const Object& attributes) {
    for (std::size_t i = 0; i + 1 < attributes.items.size(); i += 2) {
      const Step step(*this, values_.key(attributes.items[i], i / 2));
      open_child(attributes.items[i + 1]);
    }
  }

  // Parameters or buffers; None stands for one that a module does without.
  void open_registered(const Object& tensors, const Names& hidden) {
    for (std::size_t i = 0; i + 1 < tensors.items.size(); i += 2) {
      const Value& value = tensors.items[i + 1];
      if (std::holds_alternative<pickle::None>(value)) continue;
      const Step step(*this, values_.key(tensors.items[i], i / 2));
      const std::string_view* name = pickle::as_text(tensors.items[i]);
      if (name != nullptr && hidden.contains(*name)) {
        add_opaque("torch.Tensor", "is a buffer that a state dict leaves out");
      } else {
        visit(value);
      }
    }
  }

  void open_children(const Object& modules) {
    for (std::size_t i = 0; i + 1 < modules.items.size(); i += 2) {
      const Step step(*this, values_.key(modules.items[i], i / 2));
      open_child(modules.items[i + 1]);
    }
  }

  // A module within a module, whose tensors count as the outer one's.
  void open_child(const Value& value) {
    const Object* child = pickle::as(value, Kind::kCall);
    const Object* attributes = child == nullptr ? nullptr : attributes_of(*child);
    if (attributes == nullptr || depth_ == kMaxPickleDepth || !is_module(*child, *attributes)) return visit(value);
    work(1 + attributes->items.size() / 2);
    if (child->open) return;
    child->open = true;
    ++depth_;
    open_module(*child, *attributes);
    --depth_;
    child->open = false;
  }

  // Hooks and other bookkeeping of torch.nn.Module say nothing of a network.
  static bool is_bookkeeping(std::string_view name) {
    return name.find("_hook") != std::string_view::npos || name == "_parameters" || name == "_buffers" ||
           name == "_modules" || name == "_non_persistent_buffers_set" || name == "_backend" ||
           name == "_compiled_call_impl";
  }

  void open_attribute(const Object& attributes, std::size_t i) {
    const std::string name = values_.key(attributes.items[i], i / 2);
    if (is_bookkeeping(name)) return;
    const Step step(*this, name);
    if (find_tensor(attributes.items[i + 1]).function != nullptr) {
      return add_opaque("torch.Tensor", "is an attribute that a state dict leaves out");
    }
    visit(attributes.items[i + 1]);
  }

  // The texts in a set, as protocols from 2 on write it.
  Names texts_of(const Value* set) {
    Object* const* object = set == nullptr ? nullptr : std::get_if<Object*>(set);
    const Object* items = object == nullptr ? nullptr : *object;
    if (items != nullptr && items->kind == Kind::kCall) {
      items = items->items.size() == 1 ? pickle::as(items->items[0], Kind::kList) : nullptr;
    }
    Names names;
    if (items == nullptr) return names;
    work(items->items.size());
    for (const Value& item : items->items) {
      if (const std::string_view* name = pickle::as_text(item)) names.insert(*name);
    }
    return names;
  }

  // Whether a parameter may be made of the value, though it is none of PyTorch's own tensors.
  static bool may_be_tensor(const Value& value) {
    const Object* call = pickle::as(value, Kind::kCall);
    if (call == nullptr) return false;
    const GlobalRole role = call->callee->role;
    return role == GlobalRole::kOpaque || role == GlobalRole::kFirst || role == GlobalRole::kRebuildSubclass ||
           is_numpy_array(*call);
  }

  void open_arguments(const Object& call) {
    const Step step(*this, "args");
    open_list(call);
  }

  // What BUILD was given: a dictionary of attributes, a pair of such (the second of slots), or anything.
  void open_state(const Value& state) {
    if (const Object* attributes = pickle::as(state, Kind::kDict)) return open_dict(*attributes);
    const Object* pair = pickle::as(state, Kind::kTuple);
    if (pair != nullptr && pair->items.size() == 2 && pickle::as(pair->items[1], Kind::kDict) != nullptr) {
      if (const Object* attributes = pickle::as(pair->items[0], Kind::kDict)) open_dict(*attributes);
      return open_dict(*pickle::as(pair->items[1], Kind::kDict));
    }
    const Step step(*this, "state");
    visit(state);
  }

  template <typename Read>
  void add_tensor(const Read& read) {
    try {
      Tensor tensor = read();
      std::string name = path_.empty() ? "tensor" : path_;
      if (file_.tensors.contains(name)) fail(ErrorCode::kFormat, place(), "is there twice");
      source_.budget->charge(2 * sizeof(StateDict::Entry) + name.size() + 8 * tensor.shape().size(), "tensors");
      file_.tensors.add(std::move(name), std::move(tensor));
      count_tensor();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      add_opaque("torch.Tensor", reason_of(error));
    }
  }

  // Takes bytes from those that values may have; false where there are not as many.
  bool take(std::size_t bytes) {
    if (bytes > value_bytes_left_) return false;
    value_bytes_left_ -= bytes;
    charge(bytes);
    return true;
  }

  void add_value(const Value& value) {
    if (file_.values.contains(path_)) return add_opaque("value", "is there twice");
    const std::size_t room = std::min(kMaxValueJson, value_bytes_left_);
    std::optional<std::string> text = values_.json(value, room);
    if (!text) work(room / kWorkBytes);
    if (!text) return add_opaque("value", "is too large");
    add_json(*std::move(text));
  }

  void add_json(std::string text) {
    work(text.size() / kWorkBytes);
    if (file_.values.contains(path_)) return add_opaque("value", "is there twice");
    if (!take(kEntryBytes + path_.size() + text.size())) return add_opaque("value", "is too large");
    file_.values.emplace(path_, std::move(text));
  }

  // A storage that stands somewhere without a tensor, or a reference to something that no file holds.
  void add_persistent(const Object& object) {
    const std::string_view* kind = object.items.empty() ? nullptr : pickle::as_text(object.items[0]);
    add_opaque(kind != nullptr ? one_line(*kind) : "reference", "");
  }

  void add_opaque(std::string type, std::string why) {
    if (!take(kEntryBytes + path_.size() + type.size() + why.size())) {
      if (!std::exchange(overflowed_, true)) file_.opaque.push_back({"", "value", "more values than are kept"});
      return;
    }
    file_.opaque.push_back({path_, std::move(type), std::move(why)});
  }

  static constexpr std::uint8_t kSeen = 3;  // a mark, beside those of PlainValues

  const PickleSource& source_;
  const PlainValues values_;
  TensorFile& file_;
  std::string path_;
  std::vector<Frame> frames_;
  int depth_ = 0;
  std::size_t work_left_;
  std::size_t value_bytes_left_ = kMaxValueBytes;
  bool overflowed_ = false;
};

}  // namespace

void read_tree(const PickleSource& source, TensorFile& file) { TreeReader(source, file).read(); }

}  // namespace resnet
