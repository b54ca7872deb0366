#include "cli/predict_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace resnet::cli {
namespace {

// Columns that a terminal takes for UTF-8 text, about: one for each code point.
std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string format_plain(bool with_logits, const std::string& path, std::span<const Guess> guesses,
                         std::span<const float> logits) {
  std::size_t width = 0;
  for (const Guess& guess : guesses) width = std::max(width, columns(guess.label));
  std::string text = path + "\n";
  for (const Guess& guess : guesses) {
    text += fmt::format("  {:6.2f} %  {}", 100 * guess.probability, guess.label);
    text += std::string(width - columns(guess.label), ' ');
    text += fmt::format("  {:>4}", guess.index);
    if (with_logits) text += fmt::format("  {:>10.4f}", logits[guess.index]);
    text += "\n";
  }
  return text;
}

std::string format_csv(bool with_logits, const std::string& path, std::span<const Guess> guesses,
                       std::span<const float> logits) {
  std::string text;
  int rank = 0;
  for (const Guess& guess : guesses) {
    text +=
        fmt::format("{},{},{},{},{}", csv_field(path), ++rank, guess.index, csv_field(guess.label), guess.probability);
    if (with_logits) text += fmt::format(",{}", logits[guess.index]);
    text += "\n";
  }
  return text;
}

std::string format_json(bool with_logits, const std::string& path, std::span<const Guess> guesses,
                        std::span<const float> logits) {
  std::string text = fmt::format("{{\"path\":{},\"top\":[", json_string(path));
  const char* comma = "";
  for (const Guess& guess : guesses) {
    text += fmt::format("{}{{\"index\":{},\"class\":{},\"probability\":{}}}", comma, guess.index,
                        json_string(guess.label), json_number(guess.probability));
    comma = ",";
  }
  text += "]";
  if (with_logits) {
    text += ",\"logits\":[";
    comma = "";
    for (const float value : logits) {
      text += comma + json_number(value);
      comma = ",";
    }
    text += "]";
  }
  return text + "}\n";
}

}  // namespace

std::string predict_header(PredictFormat format, bool with_logits) {
  if (format != PredictFormat::kCsv) return "";
  return std::string("path,rank,index,class,probability") + (with_logits ? ",logit\n" : "\n");
}

std::string format_prediction(PredictFormat format, bool with_logits, const std::string& path,
                              std::span<const Guess> guesses, std::span<const float> logits) {
  switch (format) {
    case PredictFormat::kCsv: return format_csv(with_logits, path, guesses, logits);
    case PredictFormat::kJson: return format_json(with_logits, path, guesses, logits);
    case PredictFormat::kPlain: break;
  }
  return format_plain(with_logits, path, guesses, logits);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string json_string(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_number(float value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }
std::string json_number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

}  // namespace resnet::cli
