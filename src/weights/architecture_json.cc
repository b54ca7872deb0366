#include "weights/architecture_json.h"

#include <nlohmann/json.hpp>

#include "weights/metadata.h"

namespace resnet {

JsonObject architecture_json(const Architecture& architecture) {
  return JsonObject::from_text(to_json(architecture).dump());
}

}  // namespace resnet
