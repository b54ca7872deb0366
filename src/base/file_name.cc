#include "base/file_name.h"

#include <unistd.h>

#include <algorithm>
#include <climits>

namespace resnet {

std::string cut_file_name(std::string name, const std::string& folder, std::size_t spare) {
  const long limit = ::pathconf(folder.c_str(), _PC_NAME_MAX);
  const std::size_t most = limit > 0 ? static_cast<std::size_t>(limit) : NAME_MAX;
  std::size_t kept = most - std::min(spare, most);
  if (kept >= name.size()) return name;
  while (kept > 0 && (static_cast<unsigned char>(name[kept]) & 0xC0U) == 0x80) --kept;
  name.resize(kept);
  return name;
}

}  // namespace resnet
