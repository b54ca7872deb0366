#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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

// Each byte of a page, of a short one and the length of what is not there count.
TEST(HashTest, PageSumsTellPagesApart) {
  std::vector<std::byte> page(kPageBytes, std::byte{7});
  const std::uint64_t sum = page_sum(page);
  EXPECT_EQ(sum, page_sum(page));
  for (std::size_t i = 0; i < page.size(); ++i) {
    for (const unsigned mask : {1U, 128U}) {
      page[i] ^= std::byte{static_cast<unsigned char>(mask)};
      EXPECT_NE(page_sum(page), sum) << i;
      page[i] ^= std::byte{static_cast<unsigned char>(mask)};
    }
  }
  const std::span<const std::byte> shorter = std::span(page).first(1001);
  const std::uint64_t short_sum = page_sum(shorter);
  page[1000] = std::byte{8};
  EXPECT_NE(page_sum(shorter), short_sum);
  EXPECT_NE(page_sum(std::vector<std::byte>(kPageBytes)), 0U);
  EXPECT_NE(page_sum({}), 0U);
}

}  // namespace
}  // namespace resnet
