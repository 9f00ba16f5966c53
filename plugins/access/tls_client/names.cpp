// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "names.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace orbit::certificate {

namespace {

template <auto Free>
struct Freeing {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};
using Certificate = std::unique_ptr<X509, Freeing<&X509_free>>;
using AltNames = std::unique_ptr<GENERAL_NAMES, Freeing<&GENERAL_NAMES_free>>;
using Output = std::unique_ptr<BIO, Freeing<&BIO_free>>;

std::string text_of(const ASN1_STRING* string) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, string);
  std::string out;
  if (size > 0) out.assign(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return out;
}

std::vector<std::string> common_names(const X509_NAME* subject) {
  std::vector<std::string> out;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
    out.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  return out;
}

std::string whole(const X509_NAME* subject) {
  const Output memory(BIO_new(BIO_s_mem()));
  if (!memory || X509_NAME_print_ex(memory.get(), subject, 0, XN_FLAG_RFC2253) < 0) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

std::vector<std::string> alternative_names(const X509* certificate, int kind) {
  const AltNames all(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> out;
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == kind) out.push_back(text_of(name->d.ia5));  // all three kinds are IA5 strings
  }
  return out;
}

}  // namespace

Result<std::string> name_of(std::string_view der, NameFrom from) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!certificate) return fail(Code::unauthenticated, "it is no certificate in DER");
  const X509_NAME* const subject = X509_get_subject_name(certificate.get());
  std::vector<std::string> names;
  switch (from) {
    case NameFrom::subject_cn: names = common_names(subject); break;
    case NameFrom::subject: names = {whole(subject)}; break;
    case NameFrom::san_dns: names = alternative_names(certificate.get(), GEN_DNS); break;
    case NameFrom::san_email: names = alternative_names(certificate.get(), GEN_EMAIL); break;
    case NameFrom::san_uri: names = alternative_names(certificate.get(), GEN_URI); break;
  }
  ERR_clear_error();
  if (names.size() != 1 || names[0].empty())
    return fail(Code::unauthenticated, "the certificate of '" + whole(subject) + "' has " + std::to_string(names.size()) +
                                           " names of the kind that name_from says, expected one that is not empty");
  return names[0];
}

}  // namespace orbit::certificate
