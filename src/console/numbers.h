// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace resnet {

// 25557032 as "25,557,032".
std::string grouped(std::int64_t value);

// 4089184256 as "4.09 G", 269722 as "270 k": three digits and a unit of 1, k, M, G or T.
std::string rounded(std::int64_t value);

// "1:02:03", "0:59".
std::string duration(double seconds);

}  // namespace resnet
