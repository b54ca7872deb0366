# serve_schema: the messages of the protocols that the server speaks over gRPC, made by protoc from src/serve/*.proto,
# and their descriptors (NAME.desc), which tools ask for. Headers are included as <serve_schema/NAME.pb.h>.
set(folder ${PROJECT_BINARY_DIR}/generated/serve_schema)
file(MAKE_DIRECTORY ${folder})
set(serve_descriptors "")
set(serve_messages "")
foreach(name open_inference grpc_health grpc_reflection)
  set(proto ${PROJECT_SOURCE_DIR}/src/serve/${name}.proto)
  add_custom_command(
    OUTPUT ${folder}/${name}.pb.h ${folder}/${name}.pb.cc ${folder}/${name}.desc
    COMMAND protobuf::protoc --cpp_out=${folder} --descriptor_set_out=${folder}/${name}.desc
            --proto_path=${PROJECT_SOURCE_DIR}/src/serve ${proto}
    DEPENDS ${proto}
    VERBATIM)
  list(APPEND serve_descriptors ${folder}/${name}.desc)
  list(APPEND serve_messages ${folder}/${name}.pb.cc ${folder}/${name}.pb.h)
endforeach()
add_library(serve_schema STATIC ${serve_messages})
target_include_directories(serve_schema SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/generated PRIVATE ${folder})
target_link_libraries(serve_schema PUBLIC protobuf::libprotobuf-lite)
target_compile_options(serve_schema PRIVATE -w)  # not our code
