// SPDX-License-Identifier: MIT OR BSD-3-Clause
// JSON Schema (2020-12) of protobuf messages in their JSON mapping.
#pragma once

#include <google/protobuf/descriptor.h>

#include <boost/json.hpp>
#include <map>
#include <string>

namespace orbit::rest {

class Schemas {
 public:
  // {"$ref": "#/components/schemas/bank.Amount"}; the message and all that it contains join all().
  boost::json::object ref(const google::protobuf::Descriptor* message);
  boost::json::object of_field(const google::protobuf::FieldDescriptor* field);
  // By name, as components/schemas has them.
  const boost::json::object& all() const noexcept { return all_; }
  boost::json::object take() { return std::move(all_); }

 private:
  boost::json::object of_value(const google::protobuf::FieldDescriptor* field);
  boost::json::object of_message(const google::protobuf::Descriptor* message);

  boost::json::object all_;
};

}  // namespace orbit::rest
