#include "model/answer.h"

#include <string>

#include "base/error.h"
#include "tensor/finite.h"

namespace resnet {

void check_answer(std::span<const float> values, std::string_view where) {
  const std::int64_t nonfinite = count_nonfinite(DType::kF32, std::as_bytes(values));
  if (nonfinite == 0) return;
  fail(ErrorCode::kUnsupported, std::string(where),
       "the network's answer has no meaning: {} of {} values are not finite, because the picture's are not or the "
       "network "
       "overflows; --allow-nonfinite, or allow_nonfinite in a program, gives it all the same",
       nonfinite, values.size());
}

}  // namespace resnet
