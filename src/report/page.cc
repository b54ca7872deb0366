#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "base/error.h"
#include "base/text.h"
#include "report/assets.h"

namespace resnet {
namespace {

std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? std::to_integer<unsigned>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

// The character at `at`, or what stands for one that pages may not hold. Moves `at` to the character's last byte.
void append_visible(std::string_view text, std::size_t& at, std::string& result) {
  if (!is_control(text.substr(at))) {
    result += text[at];
    return;
  }
  const std::size_t size = text[at] == '\xC2' ? 2 : text[at] == '\xE2' ? 3 : 1;
  result += printable(text.substr(at, size));
  at += size - 1;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t good = valid_utf8_prefix(text);
    for (std::size_t i = 0; i < good; ++i) {
      switch (const char c = text[i]) {
        case '&': result += "&amp;"; break;
        case '<': result += "&lt;"; break;
        case '>': result += "&gt;"; break;
        case '"': result += "&quot;"; break;
        case '\'': result += "&#39;"; break;
        case '\n':
        case '\t': result += c; break;
        default: append_visible(text.substr(0, good), i, result);
      }
    }
    text.remove_prefix(good);
    if (text.empty()) break;
    result += "\uFFFD";
    text.remove_prefix(1);
  }
  return result;
}

std::string png_address(const Image& image) { return "data:image/png;base64," + base64(encode_png(image)); }

std::string html_image(const Image& image, std::string_view description) {
  constexpr int kQuality = 85;
  return fmt::format("<img width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/jpeg;base64,{}\">", image.width,
                     image.height, escape_html(description), base64(encode_jpeg(image, kQuality)));
}

void Table::add(std::span<const std::string> cells) {
  RESNET_ASSERT(cells.size() == columns_.size());
  rows_ += "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    rows_ += fmt::format("<td{}>{}</td>", columns_[i].number ? " class=\"number\"" : "", escape_html(cells[i]));
  }
  rows_ += "</tr>\n";
}

std::string Table::html() const {
  std::string heads;
  for (const Column& column : columns_) {
    heads += fmt::format("<th scope=\"col\"{}><button type=\"button\">{}</button></th>",
                         column.number ? " class=\"number\"" : "", escape_html(column.title));
  }
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
      heads, rows_);
}

Page::Page(std::string_view title, std::string_view subtitle)
    : title_(escape_html(title)), subtitle_(escape_html(subtitle)) {}

void Page::fact(std::string_view value, std::string_view what, std::string_view remark) {
  facts_ += fmt::format("<div class=\"fact\"><span>{}</span><b>{}</b><span>{}</span></div>\n", escape_html(what),
                        escape_html(value), escape_html(remark));
}

void Page::section(std::string_view title, std::string_view html) {
  sections_ += fmt::format("<section>\n<h2>{}</h2>\n{}\n</section>\n", escape_html(title), html);
}

void Page::numbers(std::string_view json) {
  // "<" must not end the element; within JSON it occurs in strings alone.
  std::string text;
  for (const char c : json) c == '<' ? text += "\\u003c" : text += c;
  numbers_ = fmt::format("<script type=\"application/json\" id=\"numbers\">{}</script>\n", text);
}

std::string Page::finish() const {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<title>{0}</title>\n<style>\n{1}</style>\n</head>\n<body>\n<header>\n<h1>{0}</h1>\n"
      "<p class=\"quiet\">{2}</p>\n</header>\n<div class=\"facts\">\n{3}</div>\n{4}"
      "<footer>Made by resnet.cpp</footer>\n{5}<script>\n{6}</script>\n</body>\n</html>\n",
      title_, page_css(), subtitle_, facts_, sections_, numbers_, page_js());
}

}  // namespace resnet
