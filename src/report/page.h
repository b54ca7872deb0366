// Pages of HTML that stand alone: style, script and pictures are inside, nothing is loaded, so that they open from disk
// without a network. They read in light and dark, print, and fit a telephone. Knows no network of the other kind
// either.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnet/image.h"

namespace resnet {

// Text for HTML, also within quotes. Bytes that are no UTF-8 become U+FFFD, control
// characters but line ends and tabs "\x1b".
std::string escape_html(std::string_view text);

// <img> of a picture that is inside the page.
std::string html_image(const Image& image, std::string_view description);

// "data:image/png;base64,...": a picture as an address.
std::string png_address(const Image& image);

struct Column {
  std::string title;
  bool number = false;  // aligned right, sorted by value
};

// A table that its heads sort.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::span<const std::string> cells);  // plain text, one per column
  std::string html() const;

 private:
  std::vector<Column> columns_;
  std::string rows_;
};

class Page {
 public:
  // Plain text, as all that follows unless it says HTML.
  Page(std::string_view title, std::string_view subtitle);

  // A figure of the first line: "81.03 %", what it is, and a remark.
  void fact(std::string_view value, std::string_view what, std::string_view remark);

  void section(std::string_view title, std::string_view html);

  // What programs may read out of the page: JSON in an element with the id "numbers".
  void numbers(std::string_view json);

  std::string finish() const;

 private:
  std::string title_;
  std::string subtitle_;
  std::string facts_;
  std::string sections_;
  std::string numbers_;
};

}  // namespace resnet
