// SPDX-License-Identifier: MIT OR BSD-3-Clause
// protoc-gen-orbit: protoc --orbit_out=DIR makes bank.orbit.hpp and bank.orbit.cpp from bank.proto, for actors; --orbit_out=client:DIR
// makes bank.client.hpp, for clients outside the node.
#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/plugin.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <memory>

#include "emit.hpp"
#include "names.hpp"

namespace orbit::protoc {
namespace {

namespace pb = google::protobuf;

class Generator final : public pb::compiler::CodeGenerator {
 public:
  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }

  bool Generate(const pb::FileDescriptor* file, const std::string& parameter, pb::compiler::GeneratorContext* context,
                std::string* error) const override {
    if (!parameter.empty() && parameter != "client") {
      *error = "protoc-gen-orbit takes the parameter 'client' or none, found '" + parameter + "'";
      return false;
    }
    std::vector<Service> services;
    if (!read_services(*file, &services, error)) return false;
    const std::string stem = without_proto_ending(file->name());
    if (parameter == "client") {
      bool good = true;
      write(context, stem + ".client.hpp", [&](pb::io::Printer& out) { good = emit_client(*file, services, out, error); });
      return good;
    }
    write(context, stem + ".orbit.hpp", [&](pb::io::Printer& out) { emit_header(*file, services, out); });
    write(context, stem + ".orbit.cpp", [&](pb::io::Printer& out) { emit_source(*file, services, out); });
    return true;
  }

 private:
  template <class Emit>
  static void write(pb::compiler::GeneratorContext* context, const std::string& name, Emit emit) {
    const std::unique_ptr<pb::io::ZeroCopyOutputStream> stream(context->Open(name));
    pb::io::Printer out(stream.get(), '$');
    emit(out);
  }
};

}  // namespace
}  // namespace orbit::protoc

int main(int argc, char* argv[]) {
  const orbit::protoc::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
