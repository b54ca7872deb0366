// Heads of several layers in files of others: which layers follow each other, where batch norms stand, what stands
// between them; and that the plain layers that come of it compute the same.
#include "weights/head_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "weights/test_foreign_file.h"

namespace resnet {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kFeatures = 16;  // of small()

// "linear 16 8", "linear 16 8 bare" without a bias, "norm 8", "activation": what a head consists of, under which name.
struct Link {
  std::string name, kind;
  int in = 0, out = 0;
};

Tensor waves(Shape shape, double phase) {
  Tensor tensor = Tensor::zeros(DType::kF32, std::move(shape));
  for (float& value : tensor.mutable_f32()) value = static_cast<float>(0.5 * std::sin(phase += 1.3));
  return tensor;
}

class HeadFile {
 public:
  explicit HeadFile(std::vector<Link> links, const std::string& prefix = "") : links_(std::move(links)) {
    file_.add(weights_of(small()), prefix, [](const std::string& name) { return name.starts_with("fc.") ? "" : name; });
    double phase = 0;
    for (const Link& link : links_) {
      const auto put = [&](const char* leaf, const Tensor& tensor) {
        tensors_.set(link.name + leaf, tensor);
        file_.add(link.name + leaf, tensor);
      };
      phase += 0.7;
      if (link.kind == "activation") continue;
      if (link.kind == "norm") {
        Tensor var = waves({link.in}, phase + 4);
        for (float& value : var.mutable_f32()) value += 1;
        put(".weight", waves({link.in}, phase + 1));
        put(".bias", waves({link.in}, phase + 2));
        put(".running_mean", waves({link.in}, phase + 3));
        put(".running_var", var);
        continue;
      }
      put(".weight", waves({link.out, link.in}, phase));
      if (link.kind == "linear") put(".bias", waves({link.out}, phase + 1));
    }
  }

  const ForeignFile& file() const { return file_; }

  // What the head gives as it is written.
  std::vector<double> direct(std::vector<double> x) const {
    for (const Link& link : links_) {
      if (link.kind == "activation") {
        for (double& value : x) value = std::max(value, 0.0);
      } else if (link.kind == "norm") {
        const auto at = [&](const char* leaf, std::size_t i) { return tensors_.at(link.name + leaf).f32()[i]; };
        for (std::size_t i = 0; i < x.size(); ++i) {
          x[i] = (x[i] - at(".running_mean", i)) / std::sqrt(at(".running_var", i) + 1e-5) * at(".weight", i) +
                 at(".bias", i);
        }
      } else {
        x = linear(tensors_, link.name, x);
      }
    }
    return x;
  }

  static std::vector<double> linear(const StateDict& tensors, const std::string& name, const std::vector<double>& x) {
    const std::span<const float> weight = tensors.at(name + ".weight").f32();
    std::vector<double> y(weight.size() / x.size());
    for (std::size_t row = 0; row < y.size(); ++row) {
      if (const Tensor* bias = tensors.find(name + ".bias")) y[row] = bias->f32()[row];
      for (std::size_t i = 0; i < x.size(); ++i) y[row] += x[i] * weight[row * x.size() + i];
    }
    return y;
  }

 private:
  std::vector<Link> links_;
  StateDict tensors_;
  ForeignFile file_;
};

// What the loaded head gives, by its own names.
std::vector<double> loaded(const Model& model, std::vector<double> x) {
  const Architecture& a = model.architecture;
  if (a.head_widths.empty()) return HeadFile::linear(model.weights, "fc", x);
  for (std::size_t i = 0; i <= a.head_widths.size(); ++i) {
    x = HeadFile::linear(model.weights, "fc." + std::to_string(2 * i), x);
    if (i == a.head_widths.size() || a.head_activation == HeadActivation::kNone) continue;
    for (double& value : x) value = std::max(value, 0.0);
  }
  return x;
}

void expect_same(const HeadFile& head, const Model& model) {
  std::vector<double> x;
  for (int i = 0; i < model.architecture.features(); ++i) x.push_back(0.4 + 0.3 * std::cos(i));
  const std::vector<double> expected = head.direct(x), got = loaded(model, x);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-5) << i;
}

std::string assumed(const Model& model, const std::string& field) {
  for (const ToldField& told : model.finding.assumed) {
    if (told.name == field) return told.value;
  }
  return "not assumed";
}

const std::vector<Link> kFastai = {{"1.2", "norm", 2 * kFeatures},
                                   {"1.4", "matrix", 2 * kFeatures, 8},
                                   {"", "activation"},
                                   {"1.6", "norm", 8},
                                   {"1.8", "matrix", 8, 5}};

// As fastai's create_head() makes it: poolings, flattening, then batch norm, dropout and a linear layer twice.
TEST(HeadChainTest, OfFastai) {
  const HeadFile head(kFastai, "0.");
  const Model model = head.file().load();
  EXPECT_EQ(model.architecture.head_pool, HeadPool::kMaxAverage);
  EXPECT_THAT(model.architecture.head_widths, ElementsAre(8));
  EXPECT_EQ(model.architecture.classes, 5);
  EXPECT_EQ(assumed(model, "head_pool"), "max_average");
  EXPECT_EQ(assumed(model, "head_activation"), "relu");
  EXPECT_THAT(model.finding.notes,
              ElementsAre("the head is taken as 1.2 (batch norm), 1.4 (32 to 8), activation, 1.6 (batch norm), "
                          "1.8 (8 to 5); batch norms become part of linear layers"));
  EXPECT_EQ(model.finding.head, "1.4, 1.8");
  EXPECT_TRUE(model.finding.passed_over.empty());
  expect_same(head, model);

  LoadOptions options;
  options.changes.set(&Architecture::head_pool, HeadPool::kAverageMax)
      .set(&Architecture::head_activation, HeadActivation::kSilu);
  const Model told = head.file().load(options);
  EXPECT_EQ(told.architecture.head_pool, HeadPool::kAverageMax);
  EXPECT_EQ(told.architecture.head_activation, HeadActivation::kSilu);
  EXPECT_EQ(assumed(told, "head_pool"), "not assumed");
  EXPECT_EQ(head.file().load({.head = "none"}).architecture.features(), kFeatures);
}

TEST(HeadChainTest, InTheFormsThatPeopleWrite) {
  constexpr int kF = kFeatures;
  const std::vector<std::vector<Link>> heads = {
      {{"fc.0", "linear", kF, 8}, {"", "activation"}, {"fc.3", "linear", 8, 5}},
      {{"fc1", "linear", kF, 8}, {"", "activation"}, {"fc2", "linear", 8, 5}},
      {{"fc1", "linear", kF, kF}, {"", "activation"}, {"fc2", "linear", kF, 5}},
      {{"hidden", "linear", kF, 8}, {"", "activation"}, {"out", "matrix", 8, 5}},
      {{"fc.0", "linear", kF, 8},
       {"", "activation"},
       {"fc.2", "linear", 8, 6},
       {"", "activation"},
       {"fc.4", "linear", 6, 5}},
      {{"fc.0", "linear", kF, kF}, {"", "activation"}, {"fc.10", "linear", kF, 5}},
      // Batch norms before activations, behind them, and first and last.
      {{"head.0", "linear", kF, 8}, {"head.1", "norm", 8}, {"", "activation"}, {"head.4", "linear", 8, 5}},
      {{"head.0", "linear", kF, 8}, {"", "activation"}, {"head.2", "norm", 8}, {"head.4", "linear", 8, 5}},
      {{"head.0", "norm", kF}, {"head.1", "linear", kF, 8}, {"", "activation"}, {"head.3", "linear", 8, 5}},
      {{"head.0", "linear", kF, 8}, {"", "activation"}, {"head.2", "linear", 8, 5}, {"head.3", "norm", 5}},
      {{"fc1", "linear", kF, 8}, {"norm1", "norm", 8}, {"", "activation"}, {"fc2", "linear", 8, 5}},
      {{"fc1", "linear", kF, 8},
       {"norm1", "norm", 8},
       {"", "activation"},
       {"fc2", "linear", 8, 8},
       {"norm2", "norm", 8},
       {"", "activation"},
       {"fc3", "linear", 8, 5}},
      {{"bottleneck", "norm", kF}, {"classifier", "matrix", kF, 5}},
      {{"fc.0.0", "linear", kF, 8}, {"fc.0.1", "norm", 8}, {"", "activation"}, {"fc.1.0", "linear", 8, 5}},
      // Nothing between them.
      {{"fc.0", "linear", kF, 8}, {"fc.1", "linear", 8, 5}},
      {{"fc.0", "linear", kF, 8}, {"fc.1", "norm", 8}, {"fc.2", "linear", 8, 5}},
  };
  for (const std::vector<Link>& links : heads) {
    const HeadFile head(links);
    SCOPED_TRACE(links[0].name + " to " + links.back().name);
    Model model;
    ASSERT_NO_THROW(model = head.file().load()) << head.file().refusal();
    expect_same(head, model);
    const bool bare = model.architecture.head_activation == HeadActivation::kNone;
    const bool several = !model.architecture.head_widths.empty();
    EXPECT_EQ(assumed(model, "head_activation"), several && !bare ? "relu" : "not assumed");
    EXPECT_EQ(model.finding.notes.size(), 1U);
    EXPECT_TRUE(model.finding.passed_over.empty());
  }
}

TEST(HeadChainTest, RefusesWhatItsTensorsLeaveOpen) {
  constexpr int kF = kFeatures;
  const auto refusal = [](const std::vector<Link>& links) { return HeadFile(links).file().refusal(); };
  // What stands between may be a ReLU.
  EXPECT_THAT(refusal({{"fc.0", "norm", kF}, {"fc.2", "linear", kF, 8}, {"fc.4", "linear", 8, 5}}),
              AllOf(HasSubstr("fc.0 (batch norm)"), HasSubstr("--head")));
  // One of the features, or of the first layer's?
  EXPECT_THAT(refusal({{"norm", "norm", kF}, {"fc1", "linear", kF, kF}, {"fc2", "linear", kF, 5}}),
              HasSubstr("whose order its tensors tell: fc1 (16 to 16), fc2 (16 to 5), and norm (batch norm)"));
  EXPECT_THAT(refusal({{"fc.0", "linear", kF, 8}, {"fc.1", "linear", 8, 6}, {"fc.3", "linear", 6, 5}}),
              HasSubstr("some of the head's linear layers follow each other with nothing between them"));
  // Which way round?
  EXPECT_THAT(refusal({{"a", "linear", kF, kF}, {"b", "linear", kF, 5}}),
              HasSubstr("2 heads: a (16 to 16), b (16 to 5)"));
  EXPECT_THAT(refusal({{"fc.0", "linear", kF, 8}, {"fc.1", "linear", 8, 5}, {"fc.2", "other", 3, 3}}),
              HasSubstr("fc.2 (3 to 3)"));
}

TEST(HeadChainTest, OneOfSeveral) {
  const HeadFile two({{"age.0", "linear", kFeatures, 8},
                      {"age.2", "linear", 8, 3},
                      {"sex.0", "linear", kFeatures, 4},
                      {"sex.1", "norm", 4},
                      {"sex.3", "linear", 4, 2}});
  EXPECT_THAT(two.file().refusal(), HasSubstr("the network has 2 heads: age.2 (8 to 3), sex.3 (4 to 2); --head NAME"));
  const Model sex = two.file().load({.head = "sex"});
  EXPECT_EQ(sex.architecture.classes, 2);
  EXPECT_THAT(sex.architecture.head_widths, ElementsAre(4));
  EXPECT_EQ(sex.finding.head, "sex.0, sex.3");
  EXPECT_EQ(two.file().load({.head = "age.2"}).architecture.classes, 3);
  EXPECT_EQ(two.file().load({.head = "age.0"}).architecture.classes, 8);
  EXPECT_THAT(two.file().load({.head = "age.0"}).architecture.head_widths, ElementsAre());
  EXPECT_THAT(two.file().refusal({.head = "job"}), HasSubstr("there are age.2, sex.3"));

  const HeadFile trunk({{"hidden", "linear", kFeatures, 8}, {"age", "linear", 8, 3}, {"sex", "linear", 8, 2}});
  EXPECT_THAT(trunk.file().refusal(), HasSubstr("2 heads: age (8 to 3), sex (8 to 2)"));
  const Model age = trunk.file().load({.head = "age"});
  EXPECT_EQ(age.finding.head, "hidden, age");
  EXPECT_THAT(age.architecture.head_widths, ElementsAre(8));
}

// A normalisation without tensors stands before DINO's last layer.
TEST(HeadChainTest, DinosIsNoClassifier) {
  ForeignFile file =
      HeadFile({{"head.mlp.0", "linear", kFeatures, 8}, {"head.mlp.2", "linear", 8, 4}}, "backbone.").file();
  file.add("head.last_layer.weight_g", numbers({64, 1})).add("head.last_layer.weight_v", numbers({64, 4}));
  EXPECT_EQ(file.load().architecture.classes, 0);
}

}  // namespace
}  // namespace resnet
