#include "quantize/statistics.h"

#include <algorithm>

namespace resnet {
namespace {

constexpr std::int64_t kPart = 4;  // pictures: their activations fit in memory several times over

void add_means(std::vector<double>& means, const FeatureShape& shape, std::span<const float> values,
               std::int64_t pictures) {
  const std::int64_t plane = shape.height * shape.width;
  means.resize(static_cast<std::size_t>(shape.channels));
  for (std::int64_t i = 0; i < shape.batch * shape.channels; ++i) {
    double sum = 0;
    for (const float value : values.subspan(i * plane, plane)) sum += value;
    means[i % shape.channels] += sum / static_cast<double>(plane * pictures);
  }
}

}  // namespace

void for_each_part(const FeatureShape& shape, std::span<const float> values,
                   const std::function<void(std::int64_t, const FeatureShape&, std::span<const float>)>& work) {
  const std::int64_t each = shape.count() / shape.batch;
  for (std::int64_t first = 0; first < shape.batch; first += kPart) {
    FeatureShape part = shape;
    part.batch = std::min(kPart, shape.batch - first);
    work(first, part, values.subspan(first * each, part.batch * each));
  }
}

std::map<int, ValueStatistics> collect_statistics(const Engine& engine, const FeatureShape& shape,
                                                  std::span<const float> values,
                                                  const std::function<void(std::int64_t)>& tick) {
  std::map<int, ValueStatistics> statistics;
  std::vector<float> logits;
  const auto visit = [&](const Engine::Observer& observer, std::int64_t& first_picture) {
    for_each_part(shape, values, [&](std::int64_t first, const FeatureShape& part, std::span<const float> pictures) {
      first_picture = first;
      logits.resize(static_cast<std::size_t>(part.batch * engine.graph().architecture.outputs()));
      engine.run(pictures, part, logits, observer);
      tick(part.batch);
    });
  };
  std::int64_t first = 0;
  const std::int64_t half = shape.batch / 2;
  visit(
      [&](int node, const FeatureShape& seen, std::span<const float> given) {
        ValueStatistics& value = statistics[node];
        value.shape = seen;
        value.shape.batch = 1;
        add_means(value.means, seen, given, shape.batch);
        if (first >= half) return;
        const auto [low, high] = std::minmax_element(given.begin(), given.end());
        value.low = std::min(value.low, *low);
        value.high = std::max(value.high, *high);
      },
      first);
  for (auto& [node, value] : statistics) {
    value.seen = Histogram(value.low, value.high);
    value.unseen = Histogram(2 * value.low, 2 * value.high);  // its pictures may go further
  }
  visit(
      [&](int node, const FeatureShape&, std::span<const float> given) {
        ValueStatistics& value = statistics.at(node);
        (first < half ? value.seen : value.unseen).add(given);
      },
      first);
  return statistics;
}

}  // namespace resnet
