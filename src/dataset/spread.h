// Some of a set's pictures that stand for all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataset/index.h"

namespace resnet {

// `count` pictures, spread evenly: of each class as many as of any other, as far as the class has them, and within a
// class from its first to its last by path. Fewer than there are classes are of classes spread evenly as well. The same
// pictures each time, and the same in all forms of one set. Gives indexes into index.pictures, ascending.
std::vector<std::uint32_t> spread(const Index& index, std::size_t count);

}  // namespace resnet
