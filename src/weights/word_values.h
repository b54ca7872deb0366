// Values that a file holds beside its tensors, as JSON, and the collecting of what they say of a network: shared by the
// readers of configurations, of modules' attributes and of TorchScript's code. Not for files other than those.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "weights/file_words.h"

namespace resnet {

using WordJson = nlohmann::json;

WordJson parsed_word(const std::string& text);  // discarded where it is no JSON
WordJson value_at(const TensorFile& file, const std::string& path);

// Members of an object; nothing where there is no object, no such member, or one of another kind.
std::string text_in(const WordJson& object, const char* key);
std::optional<double> number_in(const WordJson& object, const char* key);
bool is_true(const WordJson& object, const char* key);
std::vector<float> floats_in(const WordJson& object, const char* key);

// Who says a field first is heard.
class Said {
 public:
  Said(FileWords& words, const std::string& path) : words_(words), path_(path) {}

  template <typename Value>
  void say(Value Architecture::*member, std::type_identity_t<Value> value, const char* name,
           const std::string& source) {
    if (words_.sources.contains(name)) return;
    words_.changes.set(member, std::move(value));
    words_.sources.emplace(name, source);
  }

  // By the name of a function or of PyTorch's class; of the blocks, and between the linear layers of the head.
  void say_activation(const std::string& name, const std::string& source);
  void say_head_activation(const std::string& name, const std::string& source);

  // Whether 3x3 convolutions are anti-aliased, and with that the stem's pooling where it is not said otherwise.
  void say_antialias(Antialias value, const Architecture& architecture, const std::string& source);

  bool has(const char* field) const { return words_.sources.contains(field); }

  [[noreturn]] void refuse(const std::string& source, const std::string& what) const;

 private:
  Activation activation_called(const std::string& name, const std::string& source) const;

  FileWords& words_;
  const std::string& path_;
};

}  // namespace resnet
