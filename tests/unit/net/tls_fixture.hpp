// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Certificates made for a test, and a blocking TLS client on a socket of net_fixture's Client.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <memory>
#include <string>

#include "net_fixture.hpp"

namespace orbit::kernel {

struct TestCertificate {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;

  std::string certificate_pem() const {
    BIO* const out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, certificate.get());
    return take(out);
  }
  std::string key_pem() const {
    BIO* const out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return take(out);
  }

 private:
  static std::string take(BIO* out) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    std::string text(data, static_cast<size_t>(size));
    BIO_free(out);
    return text;
  }
};

// Signed by `issuer`, or by itself; valid from `from_s` to `to_s` seconds from now.
inline TestCertificate make_certificate(const std::string& name, const TestCertificate* issuer = nullptr, long from_s = -3600,
                                        long to_s = 3600) {
  static long serial = 1;
  TestCertificate out;
  out.key = {EVP_EC_gen("P-256"), &EVP_PKEY_free};
  out.certificate = {X509_new(), &X509_free};
  X509* const x = out.certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x), from_s);
  X509_gmtime_adj(X509_getm_notAfter(x), to_s);
  X509_set_pubkey(x, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()),
                             -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(issuer != nullptr ? issuer->certificate.get() : x));
  const auto extend = [&](int nid, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (issuer == nullptr)
    extend(NID_basic_constraints, "critical,CA:TRUE");
  else
    extend(NID_subject_alt_name, "DNS:" + name);
  X509_sign(x, issuer != nullptr ? issuer->key.get() : out.key.get(), EVP_sha256());
  return out;
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct TlsClientOptions {
  int min_version = 0;
  int max_version = 0;
  std::string alpn;  // one protocol
  const TestCertificate* certificate = nullptr;
  const TestCertificate* trusted = nullptr;  // null: any server
  int receive_buffer_bytes = 0;
  bool handshake = true;
};

class TlsClient {
 public:
  TlsClient(const std::string& address, const TlsClientOptions& options = {}) : client_(address, options.receive_buffer_bytes) {
    context_ = {SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
    SSL_CTX* const c = context_.get();
    if (options.max_version != 0 && options.max_version < TLS1_2_VERSION) SSL_CTX_set_security_level(c, 0);
    SSL_CTX_set_min_proto_version(c, options.min_version);
    SSL_CTX_set_max_proto_version(c, options.max_version);
    if (options.certificate != nullptr) {
      SSL_CTX_use_certificate(c, options.certificate->certificate.get());
      SSL_CTX_use_PrivateKey(c, options.certificate->key.get());
    }
    if (options.trusted != nullptr) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(c), options.trusted->certificate.get());
      SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
    }
    ssl_ = {SSL_new(c), &SSL_free};
    SSL_set_fd(ssl_.get(), client_.fd());
    SSL_set_tlsext_host_name(ssl_.get(), "node.test");
    if (!options.alpn.empty()) {
      const std::string wire = static_cast<char>(options.alpn.size()) + options.alpn;
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(wire.data()), static_cast<unsigned>(wire.size()));
    }
    if (options.handshake) connected_ = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
  }

  bool connected() const { return connected_; }
  SSL* ssl() const { return ssl_.get(); }
  Client& socket() { return client_; }
  bool send(std::string_view data) { return SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size())) > 0; }
  std::string read(size_t size) {
    std::string out(size, '\0');
    size_t have = 0;
    while (have < size) {
      const int got = SSL_read(ssl_.get(), out.data() + have, static_cast<int>(size - have));
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    out.resize(have);
    return out;
  }
  // How the stream has ended: SSL_ERROR_ZERO_RETURN in order, anything else not.
  int end() {
    char byte = 0;
    const int got = SSL_read(ssl_.get(), &byte, 1);
    const int error = SSL_get_error(ssl_.get(), got);
    ERR_clear_error();
    return error;
  }
  std::string server_name() const {
    X509* const peer = SSL_get0_peer_certificate(ssl_.get());
    char name[256] = "";
    if (peer != nullptr) X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof name);
    return name;
  }

 private:
  Client client_;
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  bool connected_ = false;
};

}  // namespace orbit::kernel
