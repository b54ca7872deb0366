// The fields of an architecture as JSON, by the table of fields.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "arch/schema.h"
#include "weights/json_fields.h"

namespace resnet {

// Adds the fields to an object, each under its key. One that came later is left out where its value is the usual, so
// that a network without it has the file it always had.
void write_fields(std::span<const ArchitectureField> fields, const Architecture& architecture,
                  nlohmann::ordered_json& json);

// The reverse. Throws kFormat for a field that is missing (one that came later may be) or of another type,
// kInvalidArgument for an unknown name; ranges are for validate().
void read_fields(std::span<const ArchitectureField> fields, JsonFields& json, Architecture& architecture);

}  // namespace resnet
