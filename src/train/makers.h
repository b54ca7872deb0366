// What a run is made with: where LibTorch is, its learner and its processes (torch/makers.cc); elsewhere our own
// learner and a process on its own (alone/makers.cc).
#pragma once

#include <exception>
#include <memory>
#include <string>

#include "train/learner.h"
#include "train/processes.h"

namespace resnet {

// Throws, before any data is opened, kInvalidArgument for a device that is none, kUnsupported for one, or a precision,
// that there is not here.
void check_device(const Recipe& recipe);

// Where it will learn, of a recipe that check_device() takes: "cpu", "cuda:0".
std::string device_words(const Recipe& recipe);

// Waits for the others, where there are several. Throws kUnsupported where nothing here knows several.
std::unique_ptr<Processes> make_processes(const Worker& worker);

// `processes` is what make_processes() made, and outlives the learner.
std::unique_ptr<Learner> make_learner(const Task& task, Processes& processes);

// After an exception that is none of ours: throws the Error that says it in words, where there are any.
void explain_failure(const std::exception& error, const Recipe& recipe);

}  // namespace resnet
