#include "evaluate/compare.h"

#include "base/error.h"

namespace resnet {
namespace {

JsonObject to_json(const ComparedModel& model) {
  JsonObject json = to_json(model.card);
  return json.add_members_of(to_json(model.evaluation)).add("network_seconds", model.evaluation.network_seconds);
}

}  // namespace

Comparer::Comparer(const std::vector<PictureVerdict>& verdicts) {
  for (const PictureVerdict& verdict : verdicts) first_.emplace(verdict.path, &verdict);
}

void Comparer::add(const Judged& picture) {
  const PictureVerdict b = judge(picture);
  verdicts_.push_back(b);
  const auto found = first_.find(picture.path);
  if (found == first_.end()) return;  // a could not read it
  const PictureVerdict& a = *found->second;
  if (a.truth != b.truth) {
    fail(ErrorCode::kMismatch, picture.path,
         "its class is output {} of one model and {} of the other: name both's classes", a.truth, b.truth);
  }
  counts_.same_answer += a.predicted == b.predicted;
  counts_.both_right += a.right() && b.right();
  counts_.both_wrong += !a.right() && !b.right();
  counts_.only_a += a.right() && !b.right();
  counts_.only_b += !a.right() && b.right();
  if (a.right() == b.right()) return;
  counts_.differences.push_back(b);
  // Shown first: what b is surest of, right or wrong.
  (b.right() ? only_a_wrong_ : only_b_wrong_).offer(b, picture.input);
}

void Comparer::finish(Comparison& comparison) const {
  comparison.both_right = counts_.both_right;
  comparison.both_wrong = counts_.both_wrong;
  comparison.only_a = counts_.only_a;
  comparison.only_b = counts_.only_b;
  comparison.same_answer = counts_.same_answer;
  comparison.differences = counts_.differences;
  comparison.p_value = mcnemar_p_value(counts_.only_a, counts_.only_b);
}

std::vector<ClassScore> class_scores(const std::vector<PictureVerdict>& verdicts, int classes) {
  Confusion confusion(classes);
  for (const PictureVerdict& verdict : verdicts) confusion.add(verdict.truth, verdict.predicted);
  return confusion.scores();
}

std::string verdict_of(const Comparison& c) {
  constexpr double kChance = 0.05;
  if (c.only_a == 0 && c.only_b == 0) return "They are right on the same pictures";
  const std::string split =
      fmt::format("of the pictures that only one has right A has {} and B {}", c.only_a, c.only_b);
  if (c.p_value >= kChance) return "The difference may be chance: " + split;
  return fmt::format("{} is better beyond what chance explains: {}", c.only_a > c.only_b ? "A" : "B", split);
}

JsonObject to_json(const Comparison& comparison) {
  JsonObject json = {{"a", to_json(comparison.a)},
                     {"b", to_json(comparison.b)},
                     {"both_right", comparison.both_right},
                     {"only_a_right", comparison.only_a},
                     {"only_b_right", comparison.only_b},
                     {"both_wrong", comparison.both_wrong},
                     {"same_answer", comparison.same_answer},
                     {"mcnemar_p", comparison.p_value}};
  JsonArray classes;
  for (std::size_t i = 0; i < comparison.labels.size(); ++i) {
    classes.add(JsonObject{{"class", comparison.labels[i]},
                           {"images", comparison.a.scores[i].images},
                           {"recall_a", comparison.a.scores[i].recall},
                           {"recall_b", comparison.b.scores[i].recall}});
  }
  JsonArray differences;
  for (const PictureVerdict& verdict : comparison.differences) {
    differences.add(JsonObject{{"path", verdict.path}, {"right", verdict.right() ? "b" : "a"}});
  }
  return json.add("classes", classes).add("differences", differences);
}

}  // namespace resnet
