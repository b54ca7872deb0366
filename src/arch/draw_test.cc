#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "arch/describe.h"
#include "arch/draw.h"

namespace resnet {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string drawing_of(const char* name) { return draw_svg(expand(find_architecture(name))); }

TEST(DrawTest, ShowsStagesAndBothShortcuts) {
  const std::string svg = drawing_of("resnet50");
  for (const char* text : {"<title>resnet50: 50 layers", ">layer4<", ">6 blocks<", ">1024×14×14<", ">F(x) + x<",
                           ">F(x) + Wx<", ">identity shortcut<", ">projection shortcut<", ">3×3 conv, 128, /2<"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
}

TEST(DrawTest, BlocksDifferByNetwork) {
  EXPECT_THAT(drawing_of("resnet18"), Not(HasSubstr(">1×1 conv, 64<")));
  EXPECT_THAT(drawing_of("resnet20"), HasSubstr(">16 channels of zeros<"));
  EXPECT_THAT(drawing_of("resnet50d"), HasSubstr(">2×2 avg pool, /2<"));
  EXPECT_THAT(drawing_of("resnext50_32x4d"), HasSubstr(">32 groups, batch norm, ReLU<"));
  EXPECT_THAT(drawing_of("plain34"), Not(HasSubstr("F(x)")));
}

TEST(DrawTest, KnowsWhichShortcutsChangeTheShape) {
  const Graph bottleneck = expand(find_architecture("resnet50"));
  EXPECT_TRUE(changes_shape(bottleneck, 0, 0));  // 64 to 256 channels
  EXPECT_FALSE(changes_shape(bottleneck, 0, 1));
  EXPECT_TRUE(changes_shape(bottleneck, 3, 0));
  EXPECT_FALSE(changes_shape(expand(find_architecture("resnet18")), 0, 0));
}

TEST(DrawTest, EscapesText) {
  Svg svg("a < b & c", "");
  svg.text(1, 2, "x > y", "small");
  svg.finish(10, 10);
  const std::string file = svg.file();
  EXPECT_THAT(file, HasSubstr("<title>a &lt; b &amp; c</title>"));
  EXPECT_THAT(file, HasSubstr(">x &gt; y</text>"));
}

}  // namespace
}  // namespace resnet
