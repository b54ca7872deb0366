#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "report/canvas.h"
#include "report/charts.h"
#include "report/font.h"
#include "report/heat.h"
#include "report/page.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Color pixel(const Image& image, int x, int y) {
  const std::uint8_t* p = image.pixels.data() + 3 * (static_cast<std::size_t>(y) * image.width + x);
  return {p[0], p[1], p[2]};
}

TEST(ColorTest, EqualStepsAreEqualLightness) {
  for (int i = 0; i <= 100; ++i) {
    EXPECT_NEAR(lightness(heat_color(i / 100.0)), 0.15 + 0.8 * i / 100.0, 0.012) << i;
  }
  EXPECT_EQ(heat_color(-1), heat_color(0));
  EXPECT_EQ(heat_color(7), heat_color(1));
  EXPECT_EQ(heat_color(std::nan("")), heat_color(0));
  EXPECT_NEAR(lightness({255, 255, 255}), 1, 1e-6);
}

TEST(FontTest, MeasuresWhatItDraws) {
  double right = 0;
  lay_out_text("Wave 12 %", 20, 0, 30, [&](const Glyph& glyph) {
    right = std::max(right, static_cast<double>(glyph.left + glyph.width));
    EXPECT_EQ(glyph.coverage.size(), static_cast<std::size_t>(glyph.width) * static_cast<std::size_t>(glyph.height));
    EXPECT_GT(*std::max_element(glyph.coverage.begin(), glyph.coverage.end()), 100);
    EXPECT_GE(glyph.top, 30 - 20);
    EXPECT_LE(glyph.top + glyph.height, 30 + 6);
  });
  EXPECT_NEAR(right, text_width("Wave 12 %", 20), 2);
  EXPECT_LT(text_width("AV", 100), text_width("A", 100) + text_width("V", 100)) << "kerning";
}

TEST(FontTest, BrokenAndForeignLettersAreOneSignEach) {
  const double sign = text_width("\uFFFD", 20);
  EXPECT_GT(sign, 0);
  for (const char* text : {"\xff", "\xc3", "\u4e2d", "\xf0\x9f\x90\xb1"}) EXPECT_DOUBLE_EQ(text_width(text, 20), sign);
  EXPECT_DOUBLE_EQ(text_width("\xe4\xb8", 20), 2 * sign) << "cut short";
  EXPECT_NE(text_width("\u00e9\u03c0\u0416", 20), 3 * sign);
}

TEST(FontTest, FitsText) {
  EXPECT_EQ(fit_text("short", 16, 200), "short");
  const std::string cut = fit_text("a name that is much longer than its place", 16, 100);
  EXPECT_TRUE(cut.ends_with("\u2026"));
  EXPECT_LE(text_width(cut, 16), 100);
  EXPECT_GT(text_width(cut, 16), 80);
}

TEST(CanvasTest, BlendsEdgesBetweenPixels) {
  Canvas canvas(4, 3, {0, 0, 0});
  canvas.rect(0.5, 1, 2, 1, {200, 100, 40});
  EXPECT_EQ(pixel(canvas.image(), 0, 1), (Color{100, 50, 20}));
  EXPECT_EQ(pixel(canvas.image(), 1, 1), (Color{200, 100, 40}));
  EXPECT_EQ(pixel(canvas.image(), 2, 1), (Color{100, 50, 20}));
  EXPECT_EQ(pixel(canvas.image(), 3, 1), (Color{0, 0, 0}));
  EXPECT_EQ(pixel(canvas.image(), 1, 0), (Color{0, 0, 0}));
}

TEST(CanvasTest, CutsOffWhatReachesBeyond) {
  Canvas canvas(5, 5, {9, 9, 9});
  canvas.rect(-10, -10, 12, 12, {1, 2, 3});
  canvas.rect(100, 3, 50, 1, {1, 2, 3});
  canvas.text(-20, 4, "long text over all edges", 30, {1, 2, 3});
  canvas.picture(3, 3, {4, 4, 1, std::vector<std::uint8_t>(16, 77)});
  EXPECT_EQ(pixel(canvas.image(), 4, 4), (Color{77, 77, 77}));
  EXPECT_EQ(canvas.image().pixels.size(), 75U);
}

TEST(ScaledTest, KeepsPixelsSquareWhereEnlargedMuch) {
  const Image small{2, 1, 3, {10, 20, 30, 200, 100, 50}};
  const Image large = scaled(small, 6, 3);
  EXPECT_EQ(pixel(large, 2, 2), (Color{10, 20, 30}));
  EXPECT_EQ(pixel(large, 3, 0), (Color{200, 100, 50}));
  EXPECT_EQ(scaled(large, 3, 2).pixels.size(), 18U);
}

TEST(HeatGridTest, InterpolatesBetweenCentres) {
  const HeatGrid grid = HeatGrid::make(2, 2, {0, 4, 8, 2});
  EXPECT_FLOAT_EQ(grid.largest, 8);
  EXPECT_DOUBLE_EQ(grid.at(0.25, 0.25), 0);
  EXPECT_DOUBLE_EQ(grid.at(0.75, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(grid.at(0.25, 0.75), 1);
  EXPECT_DOUBLE_EQ(grid.at(0, 0), 0) << "beyond the centres the nearest counts";
  EXPECT_DOUBLE_EQ(grid.at(1, 1), 0.25);
  EXPECT_DOUBLE_EQ(grid.at(0.5, 0.5), 3.5 / 8);
  EXPECT_DOUBLE_EQ(HeatGrid::make(1, 1, {0}).at(0.3, 0.9), 0) << "a map of nothing";
}

TEST(OverlayTest, MarksWhatWasSeen) {
  const Image picture{40, 20, 3, std::vector<std::uint8_t>(2400, 128)};
  const Image result = overlay(picture, HeatGrid::make(1, 1, {1}), {0.25, 0, 0.5, 1});
  const Color outside = pixel(result, 2, 10);
  EXPECT_TRUE(outside.red == outside.green && outside.green == outside.blue);
  const Color inside = pixel(result, 20, 10);
  EXPECT_GT(inside.red, inside.blue) << "the scale's light yellow";
}

TEST(HeatSheetTest, HoldsEveryBar) {
  HeatSheet sheet{"cat.jpg", "what speaks for it", HeatGrid::make(2, 2, {1, 2, 3, 4}), {}, {}};
  const Image picture{30, 90, 1, std::vector<std::uint8_t>(2700, 90)};
  const Image few = draw_heat_sheet(picture, sheet);
  for (int i = 0; i < 9; ++i)
    sheet.bars.push_back({"a class of a rather long name " + std::to_string(i), 0.1 * i, i == 3});
  const Image many = draw_heat_sheet(picture, sheet);
  EXPECT_EQ(few.width, many.width);
  EXPECT_GT(many.height, few.height);
}

TEST(ContactSheetTest, HasRoomForAll) {
  const Tile tile{{10, 20, 3, std::vector<std::uint8_t>(600, 50)}, "a.jpg", "0.9"};
  const std::vector<Tile> tiles(9, tile);
  EXPECT_GT(draw_contact_sheet(tile, tiles).height, draw_contact_sheet(tile, std::span(tiles).first(4)).height);
  EXPECT_GT(draw_contact_sheet(tile, {}).height, 0);
}

TEST(PageTest, EscapesEverythingThatIsText) {
  const std::string evil = "</script><script>alert('x')</script>\"&\xff";
  Page page(evil, evil);
  page.fact(evil, evil, evil);
  page.section(evil, "<p>kept</p>");
  Table table({{evil}, {"n", true}});
  const std::string cells[] = {evil, "3"};
  table.add(cells);
  page.section("table", table.html() + html_image({1, 1, 1, {0}}, evil));
  page.numbers("{\"name\":\"</script><script>alert(1)</script>\"}");
  const std::string html = page.finish();
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, HasSubstr("<p>kept</p>"));
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\uFFFD"));
  EXPECT_THAT(html, HasSubstr("\\u003c/script>"));
  EXPECT_THAT(html, Not(HasSubstr("http://"))) << "nothing is loaded";
  EXPECT_THAT(html, Not(HasSubstr("https://")));
}

TEST(PageTest, ControlCharactersAreShown) {
  EXPECT_EQ(escape_html("a\x1B[31m\x7F\r\n\tz"), "a\\x1b[31m\\x7f\\x0d\n\tz");
  EXPECT_EQ(escape_html("\u0085\u2028\u00E9\u201C"), "\\xc2\\x85\\xe2\\x80\\xa8\u00E9\u201C");
}

TEST(PageTest, PicturesAreBase64) {
  EXPECT_THAT(png_address({1, 1, 1, {0}}), HasSubstr("data:image/png;base64,iVBORw0KGgo"));
  EXPECT_THAT(html_image({2, 3, 3, std::vector<std::uint8_t>(18)}, "x"),
              HasSubstr("width=\"2\" height=\"3\" alt=\"x\""));
}

TEST(MatrixChartTest, WritesWhatFits) {
  MatrixChart chart{{"cat", "<dog>"}, {7, 1, 0, 12345}};
  const std::string small = matrix_chart(chart);
  EXPECT_THAT(small, HasSubstr(">12345</text>"));
  EXPECT_THAT(small, HasSubstr("&lt;dog&gt;"));
  chart.names.assign(1000, "class");
  chart.counts.assign(1'000'000, 1);
  const std::string large = matrix_chart(chart);
  EXPECT_THAT(large, Not(HasSubstr("class</text>")));
  EXPECT_LT(large.size(), 100'000U);
}

}  // namespace
}  // namespace resnet
