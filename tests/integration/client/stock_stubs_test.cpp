// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A stock C++ gRPC client: stubs as grpc_cpp_plugin makes them, nothing of ours. An actor's own service, reflection and
// health.
#include <doctest/doctest.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <set>
#include <string>

#include "bank.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "support/node_process.hpp"

namespace {

namespace reflection = grpc::reflection::v1;
namespace health = grpc::health::v1;

struct Fixture {
  orbit::test::NodeProcess node{
      ORBITD, ORBIT_PLUGINS,
      "[[plugin]]\nname = \"store\"\nid = \"orbit.storage.memory\"\nrequired = true\n"
      "[[plugin]]\nname = \"grpc\"\nid = \"orbit.protocol.grpc\"\nrequired = true\n[plugin.config]\n"
      "listen = \"127.0.0.1:0\" # grpc\n[[module]]\npath = \"" BANK_MODULE "\"\nrequired = true\n"};
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel(node.address("grpc"), grpc::InsecureChannelCredentials());
};

void describe(grpc::ClientContext* context, const std::string& key = "") {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  if (!key.empty()) context->AddMetadata("orbit-key", key);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an actor's own service answers a stub that grpc_cpp_plugin made") {
  const auto account = bank::Account::NewStub(channel);
  bank::Amount amount;
  amount.set_cents(500);
  bank::Balance balance;
  {
    grpc::ClientContext context;
    describe(&context, "7");
    const grpc::Status status = account->Deposit(&context, amount, &balance);
    REQUIRE_MESSAGE(status.ok(), status.error_message());
    CHECK(balance.cents() == 500);
  }
  amount.set_cents(501);
  {
    grpc::ClientContext context;
    describe(&context, "7");
    const grpc::Status status = account->Withdraw(&context, amount, &balance);
    CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
    CHECK_FALSE(status.error_details().empty());
  }
  grpc::ClientContext context;
  describe(&context);
  const grpc::Status nameless = account->Withdraw(&context, amount, &balance);
  CHECK(nameless.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE_FIXTURE(Fixture, "reflection lists the services, and its files build the actor's service anew") {
  const auto stub = reflection::ServerReflection::NewStub(channel);
  grpc::ClientContext context;
  describe(&context);
  const auto stream = stub->ServerReflectionInfo(&context);
  reflection::ServerReflectionRequest request;
  reflection::ServerReflectionResponse response;

  request.set_list_services("");
  REQUIRE(stream->Write(request));
  REQUIRE(stream->Read(&response));
  std::set<std::string> services;
  for (const auto& service : response.list_services_response().service()) services.insert(service.name());
  for (const char* name : {"bank.Account", "bank.Teller", "orbit.v1.ActorService", "grpc.health.v1.Health",
                           "grpc.reflection.v1.ServerReflection"})
    CHECK_MESSAGE(services.contains(name), name);

  request.set_file_containing_symbol("bank.Account");
  REQUIRE(stream->Write(request));
  REQUIRE(stream->Read(&response));
  google::protobuf::FileDescriptorSet files;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto())
    REQUIRE(files.add_file()->ParseFromString(bytes));
  // In any order: each when its imports are there.
  google::protobuf::DescriptorPool pool;
  for (int round = 0; round < files.file_size(); ++round)
    for (const auto& file : files.file()) {
      bool ready = pool.FindFileByName(file.name()) == nullptr;
      for (const std::string& import : file.dependency()) ready = ready && pool.FindFileByName(import) != nullptr;
      if (ready) CHECK(pool.BuildFile(file) != nullptr);
    }
  const auto* service = pool.FindServiceByName("bank.Account");
  REQUIRE(service != nullptr);
  REQUIRE(service->FindMethodByName("Deposit") != nullptr);
  CHECK(service->FindMethodByName("Deposit")->input_type()->full_name() == "bank.Amount");
  stream->WritesDone();
  CHECK(stream->Finish().ok());
}

TEST_CASE_FIXTURE(Fixture, "health tells of the node, of an actor type, and of what is not there") {
  const auto stub = health::Health::NewStub(channel);
  for (const char* name : {"", "bank.Account"}) {
    CAPTURE(name);
    grpc::ClientContext context;
    describe(&context);
    health::HealthCheckRequest request;
    request.set_service(name);
    health::HealthCheckResponse response;
    const grpc::Status status = stub->Check(&context, request, &response);
    REQUIRE_MESSAGE(status.ok(), status.error_message());
    CHECK(response.status() == health::HealthCheckResponse::SERVING);
  }
  grpc::ClientContext context;
  describe(&context);
  health::HealthCheckRequest request;
  request.set_service("bank.Nothing");
  health::HealthCheckResponse response;
  CHECK(stub->Check(&context, request, &response).error_code() == grpc::StatusCode::NOT_FOUND);
}
