#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "base/random.h"
#include "journal/checkpoints.h"
#include "journal/crc32c.h"
#include "journal/degradation.h"
#include "journal/event_file.h"
#include "journal/history.h"
#include "journal/run_folder.h"
#include "resnet/error.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string pattern = ::testing::TempDir() + "journal-XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~JournalTest() override { fs::remove_all(root_); }

  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }

  static Checkpoint checkpoint(float value) {
    Checkpoint result;
    result.tensors.add("net.a", Tensor::from(std::vector<float>(1000, value), {10, 100}));
    result.tensors.add("net.b", Tensor::from(std::vector<std::int64_t>{7}, {}));
    result.values["run.position"] = "{}";
    return result;
  }

  std::string root_;
};

TEST(Crc32cTest, KnownValues) {  // RFC 3720, B.4
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c(0, std::as_bytes(std::span(digits))), 0xE3069283U);
  const std::vector<std::byte> zeros(32);
  EXPECT_EQ(crc32c(0, zeros), 0x8A9136AAU);
  EXPECT_EQ(crc32c(crc32c(0, std::span(zeros).first(5)), std::span(zeros).subspan(5)), 0x8A9136AAU);
}

TEST_F(JournalTest, CheckpointsComeBack) {
  const CheckpointFolder folder(root_ + "/c", 2);
  EXPECT_FALSE(folder.newest());
  for (int step = 1; step <= 4; ++step) folder.save(checkpoint(static_cast<float>(step)), step * 100);
  const auto found = folder.newest();
  ASSERT_TRUE(found);
  EXPECT_THAT(found->path, HasSubstr("step-0000000400"));
  EXPECT_EQ(found->checkpoint.tensors.at("net.a").f32()[17], 4);
  EXPECT_EQ(found->checkpoint.values.size(), 1U);
  EXPECT_TRUE(found->damaged.empty());
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ + "/c"), {}), 2);
}

TEST_F(JournalTest, DamageIsFoundWhereverItIs) {
  const CheckpointFolder folder(root_ + "/c", 3);
  folder.save(checkpoint(1), 1);
  const std::string path = folder.save(checkpoint(2), 2);
  const std::string whole = read(path);
  const auto try_with = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    const auto found = folder.newest();
    ASSERT_TRUE(found);
    EXPECT_THAT(found->path, HasSubstr("step-0000000001"));
    ASSERT_EQ(found->damaged.size(), 1U);
    EXPECT_THAT(found->damaged[0], HasSubstr(path));
  };
  for (std::size_t i = 0; i < whole.size(); i += 61) {  // a bit anywhere
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    if (changed[i] == ' ' || whole[i] == ' ') continue;  // padding
    try_with(changed);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
    try_with(whole.substr(0, size));
  }
}

TEST_F(JournalTest, AllDamagedIsAnError) {
  const CheckpointFolder folder(root_ + "/c", 3);
  std::ofstream(folder.save(checkpoint(1), 1)) << "x";
  EXPECT_THROW(folder.newest(), Error);
}

// A full disk, as the limit on a file's size makes one.
TEST_F(JournalTest, FullDiskKeepsWhatWasThere) {
  const CheckpointFolder folder(root_ + "/c", 1);
  folder.save(checkpoint(1), 1);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(folder.save(checkpoint(2), 2), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  const auto found = folder.newest();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->checkpoint.tensors.at("net.a").f32()[0], 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ + "/c"), {}), 1);
}

// A process that writes one checkpoint after another is killed at any moment: the newest that it said was written is
// there, or a newer one. 20 times, 200 with RESNET_TEST_ALL.
TEST_F(JournalTest, KillsLeaveTheNewestCheckpointWhole) {
  const CheckpointFolder folder(root_ + "/c", 2);
  Random random(1);
  std::int64_t step = 0;
  for (int kill_number = std::getenv("RESNET_TEST_ALL") != nullptr ? 200 : 20; kill_number > 0; --kill_number) {
    int channel[2];
    ASSERT_EQ(pipe(channel), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(channel[0]);
      for (std::int64_t next = step + 1;; ++next) {
        folder.save(checkpoint(static_cast<float>(next)), next);
        if (write(channel[1], &next, sizeof(next)) != sizeof(next)) _exit(1);
      }
    }
    close(channel[1]);
    usleep(static_cast<useconds_t>(2000 + 30000 * random.uniform()));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    std::int64_t said = 0;
    while (::read(channel[0], &said, sizeof(said)) == sizeof(said)) step = said;
    close(channel[0]);
    const auto found = folder.newest();
    if (!found) {
      ASSERT_EQ(step, 0);
      continue;
    }
    EXPECT_TRUE(found->damaged.empty());
    const auto held = static_cast<std::int64_t>(found->checkpoint.tensors.at("net.a").f32()[0]);
    EXPECT_GE(held, step);
    EXPECT_LE(held, step + 1);
    step = held;
    folder.remove_unfinished();
  }
  EXPECT_GT(step, 0);
}

TEST_F(JournalTest, UnfinishedFilesAreRemoved) {
  const CheckpointFolder folder(root_ + "/c", 1);
  folder.save(checkpoint(1), 1);
  std::ofstream(root_ + "/c/step-0000000002.safetensors.tmp.123.0") << "half";
  folder.remove_unfinished();
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ + "/c"), {}), 1);
}

TEST_F(JournalTest, EventFilesAreRecords) {
  {
    EventFile events(root_, 5);
    events.add("val_top1", 300, 0.5);
    events.add("val_top1", 301, EpochRecord::kNone);
  }
  const std::string bytes = read(fs::directory_iterator(root_)->path().string());
  std::vector<std::string> events;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    const auto masked = [&](std::size_t begin, std::size_t size) {
      const std::uint32_t crc = crc32c(0, std::as_bytes(std::span(bytes.data() + begin, size)));
      return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
    };
    const auto stored = [&](std::size_t begin) {
      std::uint32_t value = 0;
      std::memcpy(&value, bytes.data() + begin, 4);
      return value;
    };
    EXPECT_EQ(stored(at + 8), masked(at, 8));
    ASSERT_LE(at + 12 + length + 4, bytes.size());
    EXPECT_EQ(stored(at + 12 + length), masked(at + 12, length));
    events.push_back(bytes.substr(at + 12, length));
    at += 12 + length + 4;
  }
  ASSERT_EQ(events.size(), 3U);
  EXPECT_THAT(events[0], HasSubstr("brain.Event:2"));
  EXPECT_EQ(events[1].substr(9), std::string("\x10\x05\x3A\x02\x08\x01", 6));  // step 5, session_log {status: START}
  EXPECT_EQ(events[2].substr(9), std::string("\x10\xAC\x02\x2A\x11\x0A\x0F\x0A\x08val_top1\x15\x00\x00\x00\x3F", 22));
}

TEST_F(JournalTest, HistoryComesBack) {
  std::vector<EpochRecord> history(2);
  history[0] = {1,   390, 0.1, 2.3, 0.25, 1.5, 0.5, 0.9, EpochRecord::kNone, EpochRecord::kNone, EpochRecord::kNone,
                500, 80};
  history[1].epoch = 2;
  const auto back = parse_history(to_json(std::span(std::as_const(history))).text(), "x");
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[0].val_top5, 0.9);
  EXPECT_EQ(back[0].step, 390);
  EXPECT_TRUE(std::isnan(back[0].ema_top1));
  EXPECT_THROW(parse_history("[{}]", "x"), Error);
  EXPECT_THROW(parse_history("nonsense", "x"), Error);
  EXPECT_THAT(to_csv(history), HasSubstr("epoch,step,lr,"));
  EXPECT_THAT(to_csv(history), HasSubstr("\n1,390,0.1,2.3,0.25,1.5,0.5,0.9,,,,500,80\n"));
}

TEST_F(JournalTest, ARunHasItsFolderForItself) {
  const std::string path = root_ + "/run";
  const RunFolder folder(path, false);
  EXPECT_THROW(RunFolder(path, true), Error);
  folder.write_recipe({});
  EXPECT_FALSE(folder.holds_run());
  CheckpointFolder(folder.checkpoints(), 1).save({}, 1);
  EXPECT_TRUE(folder.holds_run());
  RunSummary run;
  run.title = "a <b> & \"c\"";
  run.recipe = "lr = 0.1";
  folder.write_report(run);
  EXPECT_THAT(read(path + "/report.html"), HasSubstr("a &lt;b&gt; &amp; &quot;c&quot;"));
  EXPECT_THAT(read(path + "/report.html"), HasSubstr("nothing measured yet"));
}

TEST_F(JournalTest, TheReportsTableShowsWhatWasMeasuredInWords) {
  std::vector<EpochRecord> history(2);
  history[0].epoch = 1;
  history[0].train_loss = 0.25;
  history[0].train_top1 = 0.5;
  history[0].val_top1 = 0.75;
  history[1].epoch = 2;
  RunSummary run;
  run.history = history;
  const std::string page = to_html(run);
  const std::string table = page.substr(page.find("<table"), page.rfind("</table>") - page.find("<table"));
  for (const char* shown :
       {"training loss", ">0.2500<", "training top-1, %", ">50.00<", "validation top-1, %", ">75.00<"}) {
    EXPECT_THAT(table, HasSubstr(shown));
  }
  for (const char* hidden : {"train_loss", "val_top1", "averaged", "top-5", "validation loss", "nan"}) {
    EXPECT_THAT(table, Not(HasSubstr(hidden)));
  }
}

TEST_F(JournalTest, WhatCannotBeWrittenIsFoundBeforeTheRun) {
  const auto problem = [](const auto& body) -> std::string {
    try {
      body();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string path = root_ + "/run";
  const RunFolder folder(path, false);
  const auto room = [&](std::int64_t bytes) { return problem([&] { folder.check_room(bytes, 3, bytes); }); };
  EXPECT_EQ(room(1'000), "");
  EXPECT_THAT(room(std::int64_t{1} << 55), HasSubstr(path + ": the run needs 216172782.1 GB there, and the disk has "));
  EXPECT_EQ(
      problem([&] { check_free("run", 1'200'000, 1'000'000, 3); }),
      "run: the run needs 1.2 MB there, and the disk has 1 MB left: free some, keep fewer checkpoints with --keep 1, "
      "or name another --out");
  EXPECT_EQ(problem([&] { check_free("run", 1'200'000, 1'000'000, 1); }),
            "run: the run needs 1.2 MB there, and the disk has 1 MB left: free some, or name another --out");
  EXPECT_EQ(problem([&] { check_free("run", -5, 0, 1); }), "");

  fs::create_directories(folder.best());
  EXPECT_THAT(room(1), HasSubstr("best.safetensors: is a directory"));
  fs::remove(folder.best());
  std::ofstream(folder.checkpoints()) << "x";
  EXPECT_THAT(room(1), HasSubstr("checkpoints: is no folder"));
}

TEST_F(JournalTest, ASecondRunIsNotBegunInTheSameFolder) {
  const std::string path = root_ + "/run";
  RunFolder(path, false).write_recipe({});
  const std::string checkpoints = RunFolder(path, false).checkpoints();
  CheckpointFolder(checkpoints, 1).save({}, 1);
  EXPECT_THROW(RunFolder(path, false), Error);
  EXPECT_NO_THROW(RunFolder(path, true));
}

// A run whose errors fall to those given.
StudyRun study_run(const std::string& network, bool residual, int depth, std::int64_t seed, double train, double test) {
  StudyRun run{network, residual, depth, seed, {}};
  for (int epoch = 1; epoch <= 3; ++epoch) {
    EpochRecord record;
    record.epoch = epoch;
    record.step = 100 * epoch;
    record.train_top1 = 1 - train * (4 - epoch) / 100;
    record.val_top1 = 1 - test * (4 - epoch) / 100;
    run.history.push_back(record);
  }
  return run;
}

TEST(DegradationStudyTest, SaysWhatItsNumbersSay) {
  const DegradationStudy study({study_run("resnet56", true, 56, 0, 8, 13), study_run("plain56", false, 56, 0, 20, 21),
                                study_run("plain20", false, 20, 0, 10, 14),
                                study_run("resnet20", true, 20, 0, 10, 14)});
  ASSERT_EQ(study.results().size(), 4U);
  EXPECT_EQ(study.results()[0].network, "plain20");
  EXPECT_EQ(study.results()[3].network, "resnet56");
  EXPECT_NEAR(study.results()[1].train_error, 20, 1e-9);
  const std::vector<std::string> findings = study.findings();
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_THAT(findings[0],
              HasSubstr("plain56, the deeper one, learns its training pictures worse than plain20 (error 20.00 % "));
  EXPECT_THAT(findings[1], HasSubstr("resnet56, the deeper one, learns its training pictures better than resnet20"));
  EXPECT_THAT(study.to_markdown(), HasSubstr("| plain56 | 20.00 % | 21.00 % |"));
  EXPECT_THAT(study.to_markdown(), HasSubstr("One seed each"));
  EXPECT_THAT(study.to_svg(false), HasSubstr("plain56 training"));
  EXPECT_THAT(study.to_svg(false), ::testing::Not(HasSubstr("resnet56")));
  EXPECT_THAT(study.to_html("lr = 0.1"), HasSubstr("resnet56, test error"));
}

TEST(DegradationStudyTest, SaysNothingOfDepthAtChance) {
  const DegradationStudy study({study_run("plain20", false, 20, 0, 29, 29), study_run("plain56", false, 56, 0, 30, 30),
                                study_run("resnet20", true, 20, 0, 10, 14), study_run("resnet56", true, 56, 0, 9, 13)},
                               /*classes=*/3);
  const std::vector<std::string> learned = study.findings();
  ASSERT_EQ(learned.size(), 2U);
  EXPECT_THAT(learned[0], HasSubstr("plain56, the deeper one")) << "30 % is far from the 67 % of chance";
  const DegradationStudy early({study_run("plain20", false, 20, 0, 29, 29), study_run("plain56", false, 56, 0, 65, 66)},
                               /*classes=*/3);
  ASSERT_EQ(early.findings().size(), 1U);
  EXPECT_THAT(early.findings()[0], HasSubstr("plain56 is hardly better than chance on its training pictures yet"));
  EXPECT_THAT(early.findings()[0], ::testing::Not(HasSubstr("deeper one")));
}

TEST(DegradationStudyTest, SpreadIsOverSeeds) {
  const DegradationStudy study(
      {study_run("plain20", false, 20, 0, 10, 14), study_run("plain20", false, 20, 1, 12, 14)});
  ASSERT_EQ(study.results().size(), 1U);
  EXPECT_NEAR(study.results()[0].train_error, 11, 1e-9);
  EXPECT_NEAR(study.results()[0].train_spread, std::sqrt(2.0), 1e-9);
  EXPECT_EQ(study.results()[0].seeds, 2);
  EXPECT_TRUE(study.findings().empty()) << "one depth shows nothing";
  EXPECT_THAT(study.to_json().text(), HasSubstr("\"seeds\":2"));
}

}  // namespace
}  // namespace resnet
