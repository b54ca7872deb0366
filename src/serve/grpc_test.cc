// What can be seen of a gRPC request before it is read.
#include "serve/grpc.h"

#include <gtest/gtest.h>
#include <serve_schema/open_inference.pb.h>

#include "serve/compression.h"
#include "serve/grpc_frame.h"

namespace resnet::serve {
namespace {

inference::ModelInferRequest request_of(std::int64_t priority) {
  inference::ModelInferRequest message;
  message.set_model_name("m");
  (*message.mutable_parameters())["timeout"].set_int64_param(1);
  (*message.mutable_parameters())["priority"].set_int64_param(priority);
  message.add_inputs()->set_name("input");
  message.add_raw_input_contents(std::string(100'000, '\x22'));
  return message;
}

TEST(Grpc, PriorityIsSeenBeforeTheRequestIsRead) {
  inference::ModelInferRequest message = request_of(-7);
  EXPECT_EQ(peek_grpc_priority(frame(message.SerializeAsString())), -7);
  (*message.mutable_parameters())["priority"].set_uint64_param(3);  // as Triton's client sends it
  EXPECT_EQ(peek_grpc_priority(frame(message.SerializeAsString())), 3);
  message.mutable_parameters()->erase("priority");
  EXPECT_EQ(peek_grpc_priority(frame(message.SerializeAsString())), std::nullopt);
}

TEST(Grpc, WhatIsNoRequestHasNoPriority) {
  const std::string whole = frame(request_of(1).SerializeAsString());
  EXPECT_EQ(peek_grpc_priority(""), std::nullopt);
  EXPECT_EQ(peek_grpc_priority(std::string(5, '\0')), std::nullopt);
  for (std::size_t size = 0; size < 200; ++size) static_cast<void>(peek_grpc_priority(whole.substr(0, size)));
  std::string compressed = whole;
  compressed[0] = 1;
  EXPECT_EQ(peek_grpc_priority(compressed), std::nullopt);
  inference::ModelInferRequest words = request_of(1);
  (*words.mutable_parameters())["priority"].set_string_param("high");
  EXPECT_EQ(peek_grpc_priority(frame(words.SerializeAsString())), std::nullopt);
  EXPECT_THROW(parse_grpc_infer(words.SerializeAsString()), Error);
}

// Only so much is looked at as takes no time on the thread of the connections.
TEST(Grpc, PriorityBehindManyFieldsIsNotLookedFor) {
  std::string many;
  for (int i = 0; i < 1000; ++i) {
    inference::ModelInferRequest one;
    one.set_id("i");
    many += one.SerializeAsString();
  }
  EXPECT_EQ(peek_grpc_priority(frame(many + request_of(1).SerializeAsString())), std::nullopt);
  EXPECT_EQ(parse_grpc_infer(many + request_of(1).SerializeAsString()).request.priority, 1);
}

TEST(Grpc, AnotherCompressionIsNamed) {
  HttpRequest request;
  request.headers = {{"grpc-encoding", "snappy"}};
  request.body = frame("x");
  request.body[0] = 1;
  try {
    static_cast<void>(grpc_message(request, 100));
    FAIL();
  } catch (const UnknownCoding& error) {
    EXPECT_STREQ(error.what(), "grpc-encoding: gzip, deflate and identity are read here");
  }
}

}  // namespace
}  // namespace resnet::serve
