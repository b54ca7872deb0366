// ArchitectureChanges: what the template in the header leaves to the table of fields.
#include "arch/schema.h"
#include "base/error.h"

namespace resnet {
namespace {

const void* address_of(const ArchitectureField& field, const Architecture& architecture) {
  return std::visit(
      [&](const auto& member) -> const void* {
        if constexpr (std::is_same_v<std::decay_t<decltype(member)>, EnumMember<Architecture>>) {
          return member.address(architecture);
        } else {
          return &(architecture.*member);
        }
      },
      field.member);
}

}  // namespace

std::size_t ArchitectureChanges::index_at(const void* member_of_values) const {
  const auto fields = architecture_fields();
  std::size_t i = 0;
  while (i < fields.size() && address_of(fields[i], values_) != member_of_values) ++i;
  RESNET_ASSERT(i < fields.size() && fields.size() <= said_.size());
  return i;
}

bool ArchitectureChanges::says(const ArchitectureField& field) const {
  return said_[index_at(address_of(field, values_))];
}

void ArchitectureChanges::take(const ArchitectureField& field, const Architecture& from) {
  resnet::set(field, values_, resnet::get(field, from));
  said_.set(index_at(address_of(field, values_)));
}

void ArchitectureChanges::clear(const ArchitectureField& field) {
  take(field, Architecture());
  said_.reset(index_at(address_of(field, values_)));
}

void ArchitectureChanges::apply_to(Architecture& architecture) const {
  for (const ArchitectureField& field : architecture_fields()) {
    if (says(field)) resnet::set(field, architecture, resnet::get(field, values_));
  }
}

// What nobody said has its usual value, by clear().
bool ArchitectureChanges::operator==(const ArchitectureChanges& other) const = default;

void set(const ArchitectureField& field, ArchitectureChanges& changes, const FieldValue& value) {
  Architecture with = changes.values();
  set(field, with, value);
  changes.take(field, with);
}

}  // namespace resnet
