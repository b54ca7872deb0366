// An architecture as commands print it: the JSON that model files hold.
#pragma once

#include "console/json.h"
#include "resnet/architecture.h"

namespace resnet {

JsonObject architecture_json(const Architecture& architecture);

}  // namespace resnet
