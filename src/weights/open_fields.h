// What the tensors of a network do not tell of it: fields of an architecture that may have another value with the same
// tensors, such as the pooling of a stem.
#pragma once

#include <string>
#include <vector>

#include "arch/schema.h"
#include "resnet/model_file.h"

namespace resnet {

// Those that are open in some network: the flags of commands that take foreign files.
std::vector<const ArchitectureField*> fields_beyond_tensors();

// Whether another value would need the same tensors in this network.
bool is_open(const ArchitectureField& field, const Architecture& architecture);

// As a flag takes it, with what is usual said: "max", "1,2,2,2", "1e-05".
std::string value_text(const ArchitectureField& field, const Architecture& architecture);

// "--stem-pool max --stem-stride 2": as commands take them.
std::string flags_of(const std::vector<ToldField>& fields);

}  // namespace resnet
