// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "tls_files.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace orbit::grpc_wire {

namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

Result<Bio> open(const std::string& file) {
  Bio bio(BIO_new_file(file.c_str(), "r"));
  if (bio == nullptr) {
    ERR_clear_error();
    return fail(Code::not_found, file + " cannot be read: " + std::strerror(errno));
  }
  return bio;
}

Result<Certificate> first_certificate(const std::string& file) {
  auto bio = open(file);
  if (!bio) return tl::unexpected<Error>(bio.error());
  Certificate certificate(PEM_read_bio_X509(bio->get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) return fail(Code::invalid_argument, file + ": found no certificate, expected one in PEM");
  return certificate;
}

}  // namespace

Result<> check_certificate(const std::string& certificate_file, const std::string& key_file) {
  auto certificate = first_certificate(certificate_file);
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  auto bio = open(key_file);
  if (!bio) return tl::unexpected<Error>(bio.error());
  // An empty password: one that is encrypted must not ask on the terminal.
  char none[] = "";
  const Key key(PEM_read_bio_PrivateKey(bio->get(), nullptr, nullptr, none));
  ERR_clear_error();
  if (key == nullptr)
    return fail(Code::invalid_argument, key_file + ": found no private key, expected one in PEM that is not encrypted");
  const bool fits = X509_check_private_key(certificate->get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) return fail(Code::invalid_argument, key_file + " is not the key of the certificate in " + certificate_file);
  if (X509_cmp_current_time(X509_get0_notAfter(certificate->get())) < 0)
    return fail(Code::failed_precondition, certificate_file + ": the certificate has expired");
  return {};
}

Result<> check_authorities(const std::string& file) {
  auto certificate = first_certificate(file);
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  return {};
}

}  // namespace orbit::grpc_wire
