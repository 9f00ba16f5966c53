// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The peer: a bare gRPC C++ server on the callback API that answers what it is told, with the same messages on the same
// paths as the node. Prints its port; runs until standard input ends.
#include <grpcpp/grpcpp.h>

#include <cstdio>

#include "bench_wires.grpc.pb.h"
#include "orbit/v1/actor_service.grpc.pb.h"

namespace {

class Echo final : public bench_wires::Echo::CallbackService {
  grpc::ServerUnaryReactor* Say(grpc::CallbackServerContext* context, const bench_wires::Text* request,
                                bench_wires::Text* reply) override {
    reply->set_text(request->text());
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Reads, writes, reads the next: what is on its way is in the transport's buffers.
class EchoStream final : public grpc::ServerBidiReactor<orbit::v1::StreamRequest, orbit::v1::StreamReply> {
 public:
  EchoStream() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    reply_.set_id(request_.id());
    reply_.set_payload(request_.call().payload());
    StartWrite(&reply_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  orbit::v1::StreamRequest request_;
  orbit::v1::StreamReply reply_;
};

class Actors final : public orbit::v1::ActorService::CallbackService {
  grpc::ServerBidiReactor<orbit::v1::StreamRequest, orbit::v1::StreamReply>* InvokeStream(
      grpc::CallbackServerContext*) override {
    return new EchoStream;
  }
};

}  // namespace

int main() {
  Echo echo;
  Actors actors;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&echo);
  builder.RegisterService(&actors);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return 1;
  std::printf("%d\n", port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
