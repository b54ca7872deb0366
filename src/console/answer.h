// The answer to a picture: for people, as CSV, or as a line of JSON.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "console/json.h"

namespace resnet {

struct AnsweredClass {
  int index = 0;
  std::string label;
  float probability = 0;
};

struct Answer {
  std::string path;                    // of the picture
  std::vector<AnsweredClass> classes;  // most probable first
  std::span<const float> logits;       // of all classes; empty where they are not to be shown
};

Json to_json(const Answer& answer);

enum class AnswerFormat { kPlain, kCsv, kJson };

// Printed before the first answer.
std::string answer_header(AnswerFormat format, bool with_logits);

// Lines; a row per class but for JSON.
std::string format_answer(AnswerFormat format, const Answer& answer);

}  // namespace resnet
