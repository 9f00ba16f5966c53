// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/socket_net.hpp"

#include <algorithm>

#include "net/socket_net_impl.hpp"

namespace orbit::kernel {

template class SocketConnection<OsSockets>;
template class SocketListener<OsSockets>;
template class NetWorker<OsSockets>;
template class BasicSocketNet<OsSockets>;

SocketNet::SocketNet(AsioExecutor& executor, SocketNetOptions options)
    : BasicSocketNet(OsSockets(executor), std::move(options)) {}

SocketNet::~SocketNet() = default;

void SocketNet::reload_certificates(bool all) {
  for (SocketListener<OsSockets>* listener : listeners()) {
    if (listener->tls() == nullptr) continue;
    std::string news;
    const auto result = listener->tls()->reload(all, news);
    if (result == TlsServer::Reload::done && options().tell) options().tell(listener->address() + ": " + news);
    if (result == TlsServer::Reload::failed) warn(listener->address() + ": " + news);
  }
}

bool SocketNet::has_tls() const {
  const auto all = listeners();
  return std::any_of(all.begin(), all.end(),
                     [](SocketListener<OsSockets>* listener) { return listener->tls() != nullptr; });
}

}  // namespace orbit::kernel
