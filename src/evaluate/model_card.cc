#include "evaluate/model_card.h"

#include <fmt/format.h>

#include "arch/describe.h"
#include "base/processor.h"
#include "console/numbers.h"
#include "evaluate/file_hash.h"
#include "report/page.h"

namespace resnet {

ModelCard describe_model(const std::string& path, const Classifier& classifier) {
  const Graph& graph = classifier.engine().graph();
  ModelCard card;
  card.path = path;
  const WeightsDigest digest = digest_of_model(path);
  card.sha256 = digest.sha256;
  card.file_bytes = digest.bytes;
  card.architecture = classifier.architecture();
  card.depth = depth(card.architecture);
  card.parameters = parameter_count(graph);
  card.input = classifier.input_shape();
  card.macs_per_image = total_macs(graph, infer_shapes(graph, card.input));
  card.preprocessing = classifier.preprocessing();
  card.precision = classifier.engine().precision();
  card.processor = fmt::format("{} ({})", processor_name(), instruction_set());
  card.threads = classifier.engine().threads();
  return card;
}

JsonObject to_json(const ModelCard& card) {
  return {{"model", card.path},
          {"sha256", card.sha256},
          {"architecture", card.architecture.name},
          {"parameters", card.parameters},
          {"macs_per_image", card.macs_per_image},
          {"precision", name(card.precision)}};
}

std::string card_html(const ModelCard& card) {
  std::string list = "<dl>\n";
  const auto add = [&](std::string_view term, const std::string& value, bool code = false) {
    const std::string text = escape_html(value);
    list += fmt::format("<dt>{}</dt><dd>{}</dd>\n", term, code ? "<code>" + text + "</code>" : text);
  };
  const Preprocessing& how = card.preprocessing;
  add("File", card.path, true);
  add("SHA-256", card.sha256, true);
  add("Size", rounded(card.file_bytes) + "B");
  add("Architecture", fmt::format("{}: {}", card.architecture.name, headline(card.architecture)));
  add("Parameters", grouped(card.parameters));
  add("Work", fmt::format("{} multiply-accumulates per picture", rounded(card.macs_per_image)));
  add("Precision", std::string(name(card.precision)));
  add("Input", fmt::format("{}\u00d7{}\u00d7{}", card.input.channels, card.input.height, card.input.width));
  add("Pictures", how.resize == 0
                      ? "not resized"
                      : fmt::format("shorter side to {}, {}, centre crop", how.resize, name(how.interpolation)));
  if (how.channels == ChannelOrder::kBgr) add("Channels", "blue, green, red");
  add("Normalised", fmt::format("mean {}, standard deviation {}", fmt::join(how.mean, " "), fmt::join(how.std, " ")));
  add("Processor", fmt::format("{}, {} thread{}", card.processor, card.threads, card.threads == 1 ? "" : "s"));
  return list + "</dl>\n";
}

}  // namespace resnet
