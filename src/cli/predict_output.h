// What `resnet predict` prints of a picture: for people, as CSV, or as one line of JSON.
#pragma once

#include <span>
#include <string>

#include "resnet/classifier.h"

namespace resnet::cli {

enum class PredictFormat { kPlain, kCsv, kJson };

// Printed before the first picture.
std::string predict_header(PredictFormat format, bool with_logits);

// `guesses` are the best classes of `logits`, which are printed only with_logits: all of them as JSON, those of the
// guesses otherwise.
std::string format_prediction(PredictFormat format, bool with_logits, const std::string& path,
                              std::span<const Guess> guesses, std::span<const float> logits);

// A field of a CSV file (RFC 4180): quoted where it must be.
std::string csv_field(const std::string& text);

// A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD.
std::string json_string(const std::string& text);

// The shortest text that reads back as the same number; null for those that JSON does not have.
std::string json_number(float value);
std::string json_number(double value);

}  // namespace resnet::cli
