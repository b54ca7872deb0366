#include "console/answer.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

constexpr float kLogits[] = {0.5F, -1.25F, 3};

Answer example(bool with_logits) {
  Answer answer{"a,\033b.jpg", {{2, "Häher", 0.75F}, {0, "cat, \"tabby\"", 0.25F}}, {}};
  if (with_logits) answer.logits = kLogits;
  return answer;
}

TEST(AnswerTest, IsATableForPeople) {
  EXPECT_EQ(answer_header(AnswerFormat::kPlain, true), "");
  EXPECT_EQ(format_answer(AnswerFormat::kPlain, example(true)),
            "a,\\x1bb.jpg\n"
            "   75.00 %  Häher            2      3.0000\n"
            "   25.00 %  cat, \"tabby\"     0      0.5000\n");
  EXPECT_EQ(format_answer(AnswerFormat::kPlain, {"x", {{123456, "a", 1}}, {}}), "x\n  100.00 %  a  123456\n");
}

TEST(AnswerTest, IsCsvForPrograms) {
  EXPECT_EQ(answer_header(AnswerFormat::kCsv, false), "path,rank,index,class,probability\n");
  EXPECT_EQ(answer_header(AnswerFormat::kCsv, true), "path,rank,index,class,probability,logit\n");
  EXPECT_EQ(format_answer(AnswerFormat::kCsv, example(true)),
            "\"a,\033b.jpg\",1,2,Häher,0.75,3\n"
            "\"a,\033b.jpg\",2,0,\"cat, \"\"tabby\"\"\",0.25,0.5\n");
}

TEST(AnswerTest, IsALineOfJsonForPrograms) {
  EXPECT_EQ(format_answer(AnswerFormat::kJson, example(false)),
            R"({"path":"a,\u001bb.jpg","top":[{"index":2,"class":"Häher","probability":0.75},)"
            R"({"index":0,"class":"cat, \"tabby\"","probability":0.25}]})"
            "\n");
  EXPECT_EQ(format_answer(AnswerFormat::kJson, {"x", {}, kLogits}),
            "{\"path\":\"x\",\"top\":[],\"logits\":[0.5,-1.25,3]}\n");
}

}  // namespace
}  // namespace resnet
