// The degradation study (He et al. 2015, arXiv:1512.03385, figure 1 and section 4.2): how training and test error
// change with depth, without shortcuts and with them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "console/json.h"
#include "resnet/epoch_record.h"

namespace resnet {

struct StudyRun {
  std::string network;  // "plain20", "resnet56"
  bool residual = false;
  int depth = 0;
  std::int64_t seed = 0;
  std::vector<EpochRecord> history;  // at least one, with validation
};

class DegradationStudy {
 public:
  // `classes` of the pictures say what chance would have right; 0: not known.
  explicit DegradationStudy(std::vector<StudyRun> runs, int classes = 0);

  // Means over the seeds, after the last epoch.
  struct Result {
    std::string network;
    bool residual = false;
    int depth = 0;
    int seeds = 0;
    double train_error = 0, test_error = 0;    // in percent
    double train_spread = 0, test_spread = 0;  // standard deviations over the seeds (n - 1); 0 for one
  };
  const std::vector<Result>& results() const noexcept { return results_; }  // plain first, by depth

  // What the numbers say, a sentence for each kind of network of which two depths or more were trained. Where one of
  // the two is hardly better than chance on its training pictures, the sentence says that and nothing of depth.
  std::vector<std::string> findings() const;

  // Errors over iterations, training dashed, the mean over seeds: of plain or of residual networks. One scale for both.
  std::string to_svg(bool residual) const;

  std::string to_html(const std::string& recipe) const;  // a page of its own
  std::string to_markdown() const;                       // the table
  Json to_json() const;

 private:
  std::vector<StudyRun> runs_;
  std::vector<Result> results_;
  double chance_error_ = 0;  // in percent; 0: not known
};

}  // namespace resnet
