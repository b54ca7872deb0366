#include "dataset/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "dataset/epoch_order.h"
#include "dataset/test_directory.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr int kSide = 12;

// What a batch holds, by value.
struct Contents {
  std::uint64_t epoch;
  std::size_t number;
  std::vector<float> pixels;
  std::vector<std::int64_t> labels, other_labels;
  std::vector<std::size_t> images;
  float weight;

  bool operator==(const Contents&) const = default;
};

Contents contents_of(const Batch& batch) {
  const std::size_t count = batch.size * static_cast<std::size_t>(batch.channels * batch.height * batch.width);
  return {batch.epoch,  batch.number,       {batch.pixels.get(), batch.pixels.get() + count},
          batch.labels, batch.other_labels, batch.images,
          batch.weight};
}

std::vector<Contents> epoch_of(Loader& loader) {
  std::vector<Contents> result;
  while (const auto batch = loader.next()) result.push_back(contents_of(*batch));
  return result;
}

class LoaderTest : public testing::DirectoryTest {
 protected:
  // Pictures of noise, a class for every four of them.
  void write_pictures(int count, int width = 20, int height = 16) const {
    Random random(1);
    for (int i = 0; i < count; ++i) {
      Image image{width, height, 3, {}};
      for (int j = 0; j < width * height * 3; ++j) image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
      write(name_of(i), i % 2 == 0 ? encode_png(image) : encode_jpeg(image));
    }
  }

  static std::string name_of(int i) {
    return "data/" + std::string(1, static_cast<char>('a' + i / 4)) + "/" + std::to_string(i % 4) + ".jpg";
  }

  ImageSet images() const { return ImageSet::open(at("data")); }

  static LoaderOptions options() {
    LoaderOptions result;
    result.preprocessing.height = result.preprocessing.width = kSide;
    result.preprocessing.resize = 14;
    result.batch = 3;
    result.seed = 7;
    result.threads = 2;
    return result;
  }

  // Everything that draws random numbers.
  static Augmentation augmentation() {
    Augmentation result;
    result.resized_crop = RandomResizedCrop{};
    result.flip = 0.5;
    result.trivial_augment = true;
    result.jitter = {0.4, 0.4, 0.4, 0.1};
    result.erasing.probability = 0.5;
    result.mixup = 0.2;
    result.cutmix = 1;
    return result;
  }
};

using ConcurrencyLoaderTest = LoaderTest;
using PropertyLoaderTest = LoaderTest;

TEST_F(ConcurrencyLoaderTest, DependsOnSeedEpochAndNumberAlone) {
  write_pictures(20);
  LoaderOptions how = options();
  how.augmentation = augmentation();
  std::vector<std::vector<Contents>> epochs;
  for (const int threads : {1, 2, 5}) {
    for (const std::size_t memory : {std::size_t{0}, std::size_t{1} << 20}) {
      how.threads = threads;
      how.decoded_memory = memory;
      how.prefetch = static_cast<std::size_t>(threads);
      Loader loader(images(), how);
      EXPECT_EQ(loader.batches(), 6U);
      std::vector<std::vector<Contents>> now;
      for (int epoch = 0; epoch < 3; ++epoch) now.push_back(epoch_of(loader));
      if (epochs.empty()) epochs = now;
      EXPECT_EQ(now, epochs) << threads << " threads, " << memory << " bytes";
    }
  }
  EXPECT_NE(epochs[0][0].images, epochs[1][0].images);
  EXPECT_NE(epochs[0][0].pixels, epochs[1][0].pixels);
  how.seed = 8;
  Loader other(images(), how);
  EXPECT_NE(epoch_of(other)[0].images, epochs[0][0].images);
}

TEST_F(ConcurrencyLoaderTest, GoesOnFromTheMiddle) {
  write_pictures(20);
  LoaderOptions how = options();
  how.augmentation = augmentation();
  Loader whole(images(), how);
  const std::vector<Contents> first = epoch_of(whole);
  const std::vector<Contents> second = epoch_of(whole);
  for (std::size_t batch = 0; batch <= 6; ++batch) {
    Loader loader(images(), how);
    loader.start(1, batch);
    const std::vector<Contents> rest = epoch_of(loader);
    EXPECT_EQ(rest, std::vector<Contents>(second.begin() + static_cast<std::ptrdiff_t>(batch), second.end()));
  }
  whole.start(0);
  EXPECT_EQ(contents_of(*whole.next()), first[0]);
  whole.start(0, 4);
  EXPECT_EQ(contents_of(*whole.next()), first[4]);
  whole.start(0, 5);
  EXPECT_EQ(epoch_of(whole), std::vector<Contents>{first[5]});
  EXPECT_EQ(epoch_of(whole), second);
  EXPECT_THAT(error_of([&] { whole.start(0, 7); }), HasSubstr("an epoch has 6 batches, there is none with number 7"));
}

TEST_F(ConcurrencyLoaderTest, ProcessesShareOneBatch) {
  write_pictures(20);
  LoaderOptions how = options();
  how.augmentation = augmentation();
  how.augmentation->mixup = how.augmentation->cutmix = 0;  // which mix within a process's batch
  how.batch = 6;
  Loader one(images(), how);
  const std::vector<Contents> together = epoch_of(one);
  how.batch = 2;
  how.world_size = 3;
  std::vector<Contents> joined(together.size());
  for (how.rank = 0; how.rank < 3; ++how.rank) {
    Loader loader(images(), how);
    const std::vector<Contents> part = epoch_of(loader);
    ASSERT_EQ(part.size(), together.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      Contents& all = joined[i];
      all.epoch = part[i].epoch;
      all.number = part[i].number;
      all.weight = part[i].weight;
      all.pixels.insert(all.pixels.end(), part[i].pixels.begin(), part[i].pixels.end());
      all.labels.insert(all.labels.end(), part[i].labels.begin(), part[i].labels.end());
      all.images.insert(all.images.end(), part[i].images.begin(), part[i].images.end());
    }
  }
  EXPECT_EQ(joined, together);
}

TEST_F(LoaderTest, EvaluatesAsLoadInputDoes) {
  write_pictures(7);
  LoaderOptions how = options();
  how.shuffle = how.drop_last = false;
  for (const std::size_t memory : {std::size_t{0}, std::size_t{1} << 20}) {
    how.decoded_memory = memory;
    how.channels_last = false;
    Loader loader(images(), how);
    EXPECT_EQ(loader.batches(), 3U);
    std::size_t image = 0;
    for (int epoch = 0; epoch < 2; ++epoch, image = 0) {
      for (const Contents& batch : epoch_of(loader)) {
        for (std::size_t i = 0; i < batch.images.size(); ++i, ++image) {
          ASSERT_EQ(batch.images[i], image);
          std::vector<float> expected(3 * kSide * kSide);
          load_input(images().read(image).bytes, "x", how.preprocessing, expected);
          const auto begin = batch.pixels.begin() + static_cast<std::ptrdiff_t>(i * expected.size());
          EXPECT_TRUE(std::equal(expected.begin(), expected.end(), begin)) << image;
        }
      }
    }
  }
}

TEST_F(LoaderTest, ChannelsLastIsTheSameInAnotherOrder) {
  write_pictures(4);
  for (const bool augmented : {false, true}) {
    LoaderOptions how = options();
    if (augmented) how.augmentation = augmentation();
    Loader planes(images(), how);
    how.channels_last = true;
    Loader interleaved(images(), how);
    const Contents a = contents_of(*planes.next());
    const Contents b = contents_of(*interleaved.next());
    EXPECT_EQ(a.weight, b.weight);
    constexpr std::size_t kPlane = kSide * kSide;
    for (std::size_t i = 0; i < a.pixels.size(); ++i) {
      const std::size_t image = i / (3 * kPlane);
      const std::size_t c = i / kPlane % 3;
      ASSERT_EQ(a.pixels[i], b.pixels[(image * kPlane + i % kPlane) * 3 + c]) << i;
    }
  }
}

TEST_F(LoaderTest, MixesNeighbours) {
  write_pictures(12);
  LoaderOptions how = options();
  how.batch = 4;
  how.augmentation = Augmentation{};
  Loader plain(images(), how);
  const Contents before = contents_of(*plain.next());
  how.augmentation->mixup = 1;
  Loader mixed(images(), how);
  const Contents after = contents_of(*mixed.next());
  EXPECT_EQ(after.labels, before.labels);
  const std::size_t size = before.pixels.size() / 4;
  ASSERT_GT(after.weight, 0);
  ASSERT_LT(after.weight, 1);
  for (std::size_t i = 0; i < before.pixels.size(); ++i) {
    const std::size_t other = (i / size + 3) % 4 * size + i % size;
    ASSERT_NEAR(after.pixels[i], after.weight * before.pixels[i] + (1 - after.weight) * before.pixels[other], 1e-5);
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(after.other_labels[i], before.labels[(i + 3) % 4]);
}

TEST_F(LoaderTest, FailsOnBadImages) {
  write_pictures(8);
  write(name_of(5), "");
  LoaderOptions how = options();
  how.shuffle = false;
  Loader loader(images(), how);
  EXPECT_EQ(loader.next()->size, 3U);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(error_of([&] { loader.next(); }), HasSubstr("data/b/1.jpg: the file is empty"));
  }
  loader.start(1);
  EXPECT_EQ(loader.next()->epoch, 1U);
}

TEST_F(LoaderTest, SkipsBadImages) {
  write_pictures(8);
  write(name_of(1), "");
  write(name_of(3), read(name_of(3)).substr(0, 300));
  write(name_of(4), "no picture");
  fs::remove(directory_ / name_of(5));
  fs::create_symlink("1.jpg", directory_ / name_of(5));  // a loop
  LoaderOptions how = options();
  how.shuffle = how.drop_last = false;
  how.bad_images = BadImages::kSkip;
  Loader loader(images(), how);
  const auto first = loader.next();
  ASSERT_EQ(first->size, 2U);
  EXPECT_THAT(first->images, ElementsAre(0U, 2U));
  ASSERT_EQ(first->bad.size(), 1U);
  EXPECT_EQ(first->bad[0].image, 1U);
  EXPECT_THAT(first->bad[0].error, HasSubstr("a/1.jpg: the file is empty"));
  std::vector<float> expected(3 * kSide * kSide);
  load_input(images().read(2).bytes, "x", how.preprocessing, expected);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), first->pixels.get() + expected.size()));
  const auto second = loader.next();
  EXPECT_EQ(second->size, 0U) << "a batch of nothing";
  EXPECT_EQ(second->bad.size(), 3U);
  EXPECT_THAT(loader.next()->images, ElementsAre(6U, 7U));
  EXPECT_EQ(loader.skipped(), 4U);
}

TEST_F(LoaderTest, BatchesOutliveTheirLoader) {
  write_pictures(6);
  std::vector<Batch> kept;
  {
    Loader loader(images(), options());
    while (auto batch = loader.next()) kept.push_back(std::move(*batch));
    EXPECT_NE(kept[0].pixels, kept[1].pixels);
  }
  Loader again(images(), options());
  for (const Batch& batch : kept) EXPECT_EQ(contents_of(batch), contents_of(*again.next()));
}

TEST_F(LoaderTest, RefusesWhatMakesNoSense) {
  write_pictures(6);
  const auto error = [&](auto change) {
    LoaderOptions how = options();
    change(how);
    return error_of([&] { Loader(images(), how); });
  };
  EXPECT_THAT(error([](auto& how) { how.batch = 7; }), HasSubstr("batch: 6 pictures are fewer than a batch of 7"));
  EXPECT_THAT(error([](auto& how) { how.world_size = 3; }), HasSubstr("a batch of 3 for each of 3 processes"));
  EXPECT_THAT(error([](auto& how) { how.batch = 0; }), HasSubstr("batch: 0"));
  EXPECT_THAT(error([](auto& how) { how.rank = 1; }), HasSubstr("rank: 1"));
  EXPECT_THAT(error([](auto& how) { how.world_size = 0; }), HasSubstr("world_size: 0"));
  EXPECT_THAT(error([](auto& how) { how.threads = -1; }), HasSubstr("threads: -1"));
  EXPECT_THAT(error([](auto& how) { how.prefetch = 0; }), HasSubstr("prefetch: 0"));
  EXPECT_THAT(error([](auto& how) { how.preprocessing.width = 0; }), HasSubstr("width: 0"));
  EXPECT_THAT(error([](auto& how) { how.augmentation.emplace().flip = 2; }), HasSubstr("flip: 2"));
  EXPECT_THAT(error_of([&] { Loader(ImageSet(), options()); }), HasSubstr("there are no pictures"));
  LoaderOptions how = options();
  how.batch = 7;
  how.drop_last = false;
  Loader loader(images(), how);
  EXPECT_EQ(loader.next()->size, 6U);
  EXPECT_FALSE(loader.next());
}

TEST_F(LoaderTest, WantsTheSizeWhereNothingIsResized) {
  write_pictures(4);
  LoaderOptions how = options();
  how.preprocessing.resize = 0;
  how.augmentation.emplace().padded_crop = PadAndCrop{2};
  Loader loader(images(), how);
  EXPECT_THAT(error_of([&] { loader.next(); }), HasSubstr("20x16 pixels, but 12x12 are expected"));
  how.preprocessing.height = 16;
  how.preprocessing.width = 20;
  Loader fitting(images(), how);
  EXPECT_EQ(fitting.next()->size, 3U);
}

TEST_F(PropertyLoaderTest, DividesWithoutGapsOrDuplicates) {
  for (const std::size_t count : {1U, 2U, 7U, 24U, 25U, 100U}) {
    for (const std::size_t batch : {1U, 3U, 8U, 30U}) {
      for (const int world : {1, 2, 3, 7}) {
        std::set<std::size_t> seen;
        std::size_t most = 0;
        std::size_t least = SIZE_MAX;
        for (int rank = 0; rank < world; ++rank) {
          const Division kept(count, batch, rank, world, false);
          const Division dropped(count, batch, rank, world, true);
          EXPECT_EQ(dropped.batches(), count / (batch * static_cast<std::size_t>(world)));
          std::size_t total = 0;
          for (std::size_t i = 0; i < kept.batches(); ++i) {
            const auto [begin, size] = kept[i];
            EXPECT_GT(size, 0U);
            EXPECT_LE(size, batch);
            total += size;
            for (std::size_t j = begin; j < begin + size; ++j) EXPECT_TRUE(seen.insert(j).second);
          }
          most = std::max(most, total);
          least = std::min(least, total);
        }
        EXPECT_EQ(seen.size(), count);
        EXPECT_EQ(*seen.rbegin(), count - 1);
        EXPECT_LE(most - least, 1U);
      }
    }
  }
}

TEST(PropertyShuffledTest, IsAnEvenPermutation) {
  std::vector<int> first(5);
  for (std::uint64_t epoch = 0; epoch < 5000; ++epoch) {
    std::vector<std::uint32_t> order = shuffled(5, 1, epoch);
    ++first[order[0]];
    std::sort(order.begin(), order.end());
    EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
  }
  for (const int count : first) EXPECT_NEAR(count, 1000, 5 * 28.3) << "five standard deviations";
  EXPECT_EQ(shuffled(100, 1, 2), shuffled(100, 1, 2));
  EXPECT_NE(shuffled(100, 1, 2), shuffled(100, 2, 2));
}

}  // namespace
}  // namespace resnet
