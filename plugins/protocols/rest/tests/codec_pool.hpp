// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Messages with every kind of field, for tests and the fuzz target of the JSON codec.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>

#include <cstdlib>

#include "json_codec.hpp"

namespace orbit::rest::test {

// All: every scalar, alone, repeated (packed and not) and optional, an enum, a oneof, itself nested. Maps: with a map, which
// the codec leaves to libprotobuf.
inline constexpr const char* kFile = R"(
  name: "codec.proto" package: "codec" syntax: "proto3"
  enum_type { name: "Colour" value { name: "NONE" number: 0 } value { name: "RED" number: 1 } value { name: "NEGATIVE" number: -5 } }
  message_type {
    name: "All"
    field { name: "int32_f" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "int64_f" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
    field { name: "uint32_f" number: 3 type: TYPE_UINT32 label: LABEL_OPTIONAL }
    field { name: "uint64_f" number: 4 type: TYPE_UINT64 label: LABEL_OPTIONAL }
    field { name: "sint32_f" number: 5 type: TYPE_SINT32 label: LABEL_OPTIONAL }
    field { name: "sint64_f" number: 6 type: TYPE_SINT64 label: LABEL_OPTIONAL }
    field { name: "fixed32_f" number: 7 type: TYPE_FIXED32 label: LABEL_OPTIONAL }
    field { name: "fixed64_f" number: 8 type: TYPE_FIXED64 label: LABEL_OPTIONAL }
    field { name: "sfixed32_f" number: 9 type: TYPE_SFIXED32 label: LABEL_OPTIONAL }
    field { name: "sfixed64_f" number: 10 type: TYPE_SFIXED64 label: LABEL_OPTIONAL }
    field { name: "float_f" number: 11 type: TYPE_FLOAT label: LABEL_OPTIONAL }
    field { name: "double_f" number: 12 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
    field { name: "bool_f" number: 13 type: TYPE_BOOL label: LABEL_OPTIONAL }
    field { name: "string_f" number: 14 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "bytes_f" number: 15 type: TYPE_BYTES label: LABEL_OPTIONAL }
    field { name: "enum_f" number: 16 type: TYPE_ENUM type_name: ".codec.Colour" label: LABEL_OPTIONAL }
    field { name: "self" number: 17 type: TYPE_MESSAGE type_name: ".codec.All" label: LABEL_OPTIONAL }
    field { name: "ints" number: 18 type: TYPE_INT64 label: LABEL_REPEATED }
    field { name: "loose" number: 19 type: TYPE_SINT32 label: LABEL_REPEATED options { packed: false } }
    field { name: "texts" number: 20 type: TYPE_STRING label: LABEL_REPEATED }
    field { name: "selves" number: 21 type: TYPE_MESSAGE type_name: ".codec.All" label: LABEL_REPEATED }
    field { name: "a" number: 22 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "b" number: 23 type: TYPE_UINT32 label: LABEL_OPTIONAL oneof_index: 0 }
    field { name: "maybe" number: 1000 type: TYPE_DOUBLE label: LABEL_OPTIONAL oneof_index: 1 proto3_optional: true }
    field { name: "doubles" number: 25 type: TYPE_DOUBLE label: LABEL_REPEATED }
    field { name: "colours" number: 26 type: TYPE_ENUM type_name: ".codec.Colour" label: LABEL_REPEATED }
    oneof_decl { name: "choice" } oneof_decl { name: "_maybe" }
  }
  message_type {
    name: "Maps"
    field { name: "by_name" number: 1 type: TYPE_MESSAGE type_name: ".codec.Maps.ByNameEntry" label: LABEL_REPEATED }
    nested_type {
      name: "ByNameEntry" options { map_entry: true }
      field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
      field { name: "value" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
    }
  }
)";

struct Pool {
  google::protobuf::DescriptorPool pool;
  std::unique_ptr<JsonCodec> codec;
  const MessagePlan* all;
  const MessagePlan* maps;

  Pool() {
    google::protobuf::FileDescriptorProto file;
    if (!google::protobuf::TextFormat::ParseFromString(kFile, &file) || pool.BuildFile(file) == nullptr) std::abort();
    codec = std::make_unique<JsonCodec>(&pool);
    all = codec->add(pool.FindMessageTypeByName("codec.All"));
    maps = codec->add(pool.FindMessageTypeByName("codec.Maps"));
  }
};

}  // namespace orbit::rest::test
