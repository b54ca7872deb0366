// What a recipe asks for, found and checked before any work: the data, the network and its first weights, how pictures
// are prepared.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "dataset/image_set.h"
#include "dataset/loader.h"
#include "resnet/graph.h"
#include "resnet/preprocessing.h"
#include "resnet/recipe.h"
#include "resnet/worker.h"

namespace resnet {

struct Task {
  Recipe recipe;
  TrainingData data;
  std::vector<std::string> classes;
  Preprocessing preprocessing;
  Graph graph;
  StateDict weights;  // to start from
  Worker worker;
  int threads = 0;                   // of this process; 0: one per processor
  bool new_head = false;             // of other classes than those of the model that it starts from
  std::vector<std::string> notices;  // what people should know of it; mostly nothing
  double seconds = 0;                // that the run takes, where it was measured
  std::vector<std::string> chosen;   // keys of the recipe that were left open, and now have values that suit
};

// Of a recipe that validate() takes; `open` as in TrainOptions. Throws kInvalidArgument, naming the key, where it does
// not fit the data, the network or the number of processes.
Task make_task(const Recipe& recipe, const Worker& worker = {}, std::span<const std::string> open = {});

// The part of the network that a node belongs to: "stem", "layer1", ..., "head".
std::string part_of(const Node& node);

// The parts of the network that do not learn: `freeze`, with "all-but-head" as the parts it stands for.
std::vector<std::string> frozen_parts(const Recipe& recipe, const Graph& graph);

// Values per channel that one picture gives the batch norm, of those that learn statistics, that sees the fewest.
std::int64_t least_values_of_norms(const Task& task);

// Threads, memory and seeds as the recipe says; the training pictures changed at random, the others not.
LoaderOptions training_loader(const Task& task);
LoaderOptions validation_loader(const Task& task);

}  // namespace resnet
