#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace resnet {
namespace {

// The example of the paper, appendix A, and the first two of the reference implementation's vectors.
TEST(HashTest, IsSipHash24) {
  constexpr std::array<std::uint64_t, 2> kKey = {0x0706050403020100U, 0x0F0E0D0C0B0A0908U};
  std::string text;
  for (char i = 0; i < 15; ++i) text += i;
  EXPECT_EQ(sip_hash(text, kKey), 0xA129CA6149BE45E5U);
  EXPECT_EQ(sip_hash("", kKey), 0x726FDB47DD0E0E31U);
  EXPECT_EQ(sip_hash(text.substr(0, 1), kKey), 0x74F839C593DC67FDU);
}

TEST(HashTest, AProcessHasOneKey) {
  EXPECT_EQ(KeyedHash()("layer1.0.conv1.weight"), KeyedHash()("layer1.0.conv1.weight"));
  EXPECT_NE(KeyedHash()("a"), KeyedHash()("b"));
}

}  // namespace
}  // namespace resnet
