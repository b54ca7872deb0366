// A member of a struct that is an enumeration, or an optional of one, known by the names of its values: what tables of
// fields (of an architecture, of a recipe) keep of it.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

namespace resnet {

template <typename Owner>
struct EnumMember {
  std::span<const std::string_view> names;  // of the values, which count from 0
  int (*index)(const Owner&);               // of the value's name; -1 where the optional holds nothing
  void (*assign)(Owner&, int);              // the reverse
  const void* (*address)(const Owner&);

  // "" where the optional holds nothing.
  std::string_view name_in(const Owner& owner) const {
    const int i = index(owner);
    return i < 0 ? std::string_view() : names[static_cast<std::size_t>(i)];
  }

  // False, with nothing set, where no value has that name.
  bool set(Owner& owner, std::string_view name) const {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return false;
    assign(owner, static_cast<int>(found - names.begin()));
    return true;
  }
};

template <auto Member, typename Owner, typename Enum>
constexpr EnumMember<Owner> make_enum_member(std::span<const std::string_view> names, Enum Owner::*) {
  return {names, [](const Owner& owner) { return static_cast<int>(owner.*Member); },
          [](Owner& owner, int index) { owner.*Member = static_cast<Enum>(index); },
          [](const Owner& owner) -> const void* { return &(owner.*Member); }};
}

template <auto Member, typename Owner, typename Enum>
constexpr EnumMember<Owner> make_enum_member(std::span<const std::string_view> names, std::optional<Enum> Owner::*) {
  return {names, [](const Owner& owner) { return owner.*Member ? static_cast<int>(*(owner.*Member)) : -1; },
          [](Owner& owner, int index) {
            owner.*Member = index < 0 ? std::nullopt : std::optional(static_cast<Enum>(index));
          },
          [](const Owner& owner) -> const void* { return &(owner.*Member); }};
}

// enum_member<&Architecture::block>(kBlockNames)
template <auto Member>
constexpr auto enum_member(std::span<const std::string_view> names) {
  return make_enum_member<Member>(names, Member);
}

}  // namespace resnet
