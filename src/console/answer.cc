#include "console/answer.h"

#include <fmt/format.h>

#include "base/text.h"
#include "console/csv.h"
#include "console/text_table.h"

namespace resnet {
namespace {

std::string plain(const Answer& answer) {
  TextTable table({Align::kRight, Align::kLeft, Align::kRight, Align::kRight});
  table.fit({"  100.00 %", "", "   0", "  -99.9999"});
  std::string text = printable(answer.path) + "\n";
  for (const AnsweredClass& c : answer.classes) table.fit({"", printable(c.label)});
  for (const AnsweredClass& c : answer.classes) {
    TextTable::Cells cells = {fmt::format("{:.2f} %", 100 * c.probability), printable(c.label),
                              std::to_string(c.index)};
    if (!answer.logits.empty()) cells.push_back(fmt::format("{:.4f}", answer.logits[c.index]));
    text += table.line(cells);
  }
  return text;
}

std::string csv(const Answer& answer) {
  std::string text;
  int rank = 0;
  for (const AnsweredClass& c : answer.classes) {
    text += fmt::format("{},{},{},{},{}", csv_field(answer.path), ++rank, c.index, csv_field(c.label), c.probability);
    if (!answer.logits.empty()) text += fmt::format(",{}", answer.logits[c.index]);
    text += "\n";
  }
  return text;
}

}  // namespace

Json to_json(const Answer& answer) {
  JsonArray top;
  for (const AnsweredClass& c : answer.classes) {
    top.add(JsonObject{{"index", c.index}, {"class", c.label}, {"probability", c.probability}});
  }
  JsonObject object = {{"path", answer.path}, {"top", top}};
  if (!answer.logits.empty()) {
    JsonArray logits;
    for (const float value : answer.logits) logits.add(value);
    object.add("logits", logits);
  }
  return object;
}

std::string answer_header(AnswerFormat format, bool with_logits) {
  if (format != AnswerFormat::kCsv) return "";
  return std::string("path,rank,index,class,probability") + (with_logits ? ",logit\n" : "\n");
}

std::string format_answer(AnswerFormat format, const Answer& answer) {
  switch (format) {
    case AnswerFormat::kCsv: return csv(answer);
    case AnswerFormat::kJson: return to_json(answer).text() + "\n";
    case AnswerFormat::kPlain: break;
  }
  return plain(answer);
}

}  // namespace resnet
