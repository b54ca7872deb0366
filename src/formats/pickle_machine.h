// The stack machine that reads pickles (pickle.h). What it does with values, containers and the memo stands in
// pickle.cc, what with names, calls and objects in pickle_calls.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/memory_budget.h"
#include "formats/pickle.h"

namespace resnet::pickle {

class Machine {
 public:
  Machine(ByteReader bytes, MemoryBudget& budget, Unknown unknown)
      : reader_(std::move(bytes)), budget_(budget), keeps_unknown_(unknown == Unknown::kKeep) {}

  Pickle run();

 private:
  void read_protocol();
  bool step(unsigned char opcode);  // false for an opcode that is not known
  bool push_literal(unsigned char opcode);
  bool push_line(unsigned char opcode);
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
  std::string_view take_bytes(std::uint64_t size);
  std::string_view take_line();
  std::uint32_t take_index();
  std::string_view keep(std::string text);

  void push_object(Kind kind, std::vector<Value> items, const Global* callee = nullptr);
  void append_items(std::size_t first, Kind kind, const char* what);
  std::vector<Value>& items_of(Object& object, Kind kind, const char* what);
  void push_text(std::uint64_t size);
  void push_long(std::uint64_t size);
  void push_string(std::string_view bytes);
  void put(std::uint32_t index);
  void get(std::uint32_t index);
  const Global* find_name(std::string_view module, std::string_view name);
  void push_global(std::string_view module, std::string_view name);
  void call();
  void call(const Value& callee, std::vector<Value> arguments);
  void call_extended();
  void make_dict(const Global* callee, const std::vector<Value>& arguments);
  void refer_outside(const Value& id);
  void set_state();
  void attach_array(const Object& object);

  static constexpr std::size_t kPartBytes = 64;  // of a map's entry and its place in the table

  ByteReader reader_;
  MemoryBudget& budget_;
  bool keeps_unknown_;
  std::size_t opcode_at_ = 0;
  std::vector<Value> stack_;
  std::vector<std::size_t> marks_;
  std::deque<Value> memo_;
  std::unordered_map<std::string, const Global*> unknown_;  // by "module\nname"
  Pickle result_;
};

}  // namespace resnet::pickle
