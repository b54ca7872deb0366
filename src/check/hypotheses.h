// What may be tried: how pictures may have been prepared, and the networks that have the same tensors.
#pragma once

#include <string>
#include <vector>

#include "resnet/architecture.h"
#include "resnet/preprocessing.h"

namespace resnet {

// The usual ways to normalise pictures of so many channels, of the size that `stated` says; first `stated` itself.
std::vector<Preprocessing> likely_preprocessings(const Preprocessing& stated);

// Networks that differ from `architecture` in one field that its tensors leave open, by a value that is seen in the
// wild.
std::vector<Architecture> likely_neighbours(const Architecture& architecture);

// Of likely_neighbours(): the names of the fields, as the schema has them.
std::vector<std::string> tried_fields(const Architecture& architecture);

}  // namespace resnet
