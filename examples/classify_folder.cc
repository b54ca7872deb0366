// Classifies the pictures of a folder on all processors: classify_folder MODEL FOLDER [THREADS]
//
// Each thread takes the next file, decodes it and runs the network on it, with an engine that works on one thread.
// While one decodes another computes, and nobody waits for anybody: the rate is that of one thread times the
// processors. Prints a line a picture as it is done: path, class, probability.
#include <resnet/classifier.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace {

// Seconds that this thread has had a processor.
double core_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Totals {
  std::atomic<int> pictures = 0;
  std::atomic<int> bad = 0;
  std::atomic<double> decode_seconds = 0;  // of processors, all threads together
  std::atomic<double> engine_seconds = 0;
};

// What each thread does: the next file, until there is none.
void work(const resnet::Classifier& model, const std::vector<std::string>& files, std::atomic<std::size_t>& next,
          Totals& totals) {
  std::vector<float> input(static_cast<std::size_t>(model.input_shape().count()));
  for (std::size_t i = next++; i < files.size(); i = next++) {
    try {
      const double start = core_seconds();
      model.prepare(files[i], input);
      const double decoded = core_seconds();
      const resnet::Guess best = model.top(model.logits(input, model.input_shape()), 1).front();
      totals.engine_seconds += core_seconds() - decoded;
      totals.decode_seconds += decoded - start;
      ++totals.pictures;
      std::printf("%s\t%s\t%.4f\n", files[i].c_str(), best.label.c_str(), best.probability);
    } catch (const resnet::Error& error) {
      ++totals.bad;
      std::fprintf(stderr, "%s\n", error.what());
    }
  }
}

int classify_folder(const std::string& model_path, const std::string& folder, int threads) {
  resnet::ClassifierOptions options;
  options.engine.threads = 1;
  const auto model = resnet::Classifier::load(model_path, options);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }

  const std::vector<float> nothing(static_cast<std::size_t>(model.input_shape().count()));
  model.logits(nothing, model.input_shape());  // packs the weights before the clock starts

  Totals totals;
  std::atomic<std::size_t> next = 0;
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> team;
  for (int i = 0; i < threads; ++i) team.emplace_back([&] { work(model, files, next, totals); });
  for (std::thread& member : team) member.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const int pictures = totals.pictures;
  if (pictures > 0) {
    std::fprintf(stderr, "%d pictures on %d threads: %.2f a second; core time of one: decode %.3f ms, engine %.3f ms\n",
                 pictures, threads, pictures / seconds, 1e3 * totals.decode_seconds / pictures,
                 1e3 * totals.engine_seconds / pictures);
  }
  return pictures > 0 && totals.bad == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: classify_folder MODEL FOLDER [THREADS]\n");
    return 2;
  }
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  return classify_folder(argv[1], argv[2], argc > 3 ? std::max(1, std::atoi(argv[3])) : processors);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
