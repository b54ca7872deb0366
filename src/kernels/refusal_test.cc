#include "kernels/refusal.h"

#include <gtest/gtest.h>

#include <set>

namespace resnet {
namespace {

TEST(Refusal, EachHasATextOfItsOwn) {
  EXPECT_EQ(text(Refusal::kNone), "");
  std::set<std::string_view> texts;
  const int count = static_cast<int>(Refusal::kWideRows);
  for (int i = 1; i <= count; ++i) texts.insert(text(static_cast<Refusal>(i)));
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(count));
  EXPECT_FALSE(texts.contains(""));
}

}  // namespace
}  // namespace resnet
